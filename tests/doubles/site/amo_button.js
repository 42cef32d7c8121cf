// The stand-in for amoCRM's button: takes over what was queued, hands setMeta to its server, and shows a place to write.
(function (settings) {
  "use strict";
  var switches = settings.switches;
  if (switches.amo_load === "never") return;
  var kommo = switches.amo_names === "kommo";
  var object = kommo ? "crm_plugin" : "amo_social_button", command = kommo ? "crmPlugin" : "amoSocialButton";
  var record = (window.__amo = { metas: [], outcomes: [], commands: [] });
  var callbacks = {}, visitor, line = [], busy = false;

  // One after the other: the first value of a field is the one that stays.
  function post(path, order, then) {
    order.visitor = visitor;
    order.codes = switches.amo_codes;
    line.push([path, order, then]);
    next();
  }
  function next() {
    if (busy || !line.length) return;
    var one = line.shift();
    busy = true;
    window.__site.post(settings.server + one[0], one[1], function (answer) {
      record.outcomes = record.outcomes.concat(answer.outcomes);
      busy = false;
      if (one[2]) one[2]();
      next();
    });
  }
  function who() {
    var found;
    try { found = (document.cookie.match(/(?:^|; )amo-livechat-id=([a-z0-9-]+)/) || [])[1]; } catch (e) { /* nobody known */ }
    found = found || "v" + Math.random().toString(36).slice(2) + new Date().getTime().toString(36);
    try { document.cookie = "amo-livechat-id=" + found + "; path=/; max-age=31536000"; } catch (e) { /* new on every page */ }
    return found;
  }
  function setMeta(meta) {
    record.metas.push(meta);
    post("/amo/meta", { meta: meta });
  }
  function obey(name, argument) {
    record.commands.push(name);
    if (name === "runChatShow") show(true);
    else if (name === "runChatHide") show(false);
    else if (name === "runDestroy") { root.parentNode.removeChild(root); }
    else if (typeof argument === "function") callbacks[name] = argument;
  }
  function call(name, first, second) { if (callbacks[name]) callbacks[name](first, second); }

  var root = document.createElement("div"), panel, text;
  function add(owner, tag, words, work) {
    var element = document.createElement(tag);
    if (words) element.textContent = words;
    if (work) { element.type = "button"; element.onclick = work; }
    owner.appendChild(element);
    return element;
  }
  function show(open) {
    panel.style.display = open ? "block" : "none";
    call(open ? "onChatShow" : "onChatHide");
  }
  function write(origin) {
    return function () {
      if (!text.value) return;
      if (origin !== "onlinechat") call("onButtonClick", origin, "https://" + origin + ".example/shop");
      post("/amo/message", { text: text.value, origin: origin }, function () { add(panel, "p", "Отправлено"); });
      text.value = "";
    };
  }
  function draw() {
    root.id = "amo-livechat";
    root.style.cssText = "position: fixed; left: 20px; bottom: 20px; z-index: 99998; font: 15px/1.4 system-ui, sans-serif";
    panel = add(root, "div");
    panel.style.cssText = "display: none; width: 240px; padding: 12px; background: #fff; color: #16211c; border: 1px solid #b9c2bd; border-radius: 8px";
    text = add(panel, "textarea");
    text.setAttribute("aria-label", "Сообщение в amoCRM");
    add(panel, "button", "Отправить в чат", write("onlinechat"));
    add(panel, "button", "Написать в Telegram", write("telegram"));
    add(root, "button", "Мы на связи", function () { show(panel.style.display === "none"); });
    document.body.appendChild(root);
  }

  function begin() {
    var own = window[object], queued = window[command].q || [];
    visitor = who();
    record.config = window[(kommo ? "crmPlugin" : "amoSocialButton") + "Config"] || null;
    draw();
    own.setMeta = setMeta;
    (own.params || []).forEach(setMeta);
    delete own.params;
    window[command] = obey;
    queued.forEach(function (given) { obey.apply(null, given); });
    call("onChatReady");
  }
  function start() {
    if (document.body) begin();
    else document.addEventListener("DOMContentLoaded", begin);
  }
  if (switches.amo_load === "late") window.__site.later("amo", switches.late_ms, start);
  else start();
})(__SETTINGS__);
