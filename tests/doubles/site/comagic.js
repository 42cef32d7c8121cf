// The stand-in for CoMagic's counter (Data API contract, sections 12 and 13): the global Comagic, ids that come later.
(function (settings) {
  "use strict";
  var how = settings.switches.counter;
  if (how === "never") return;
  var suffix = settings.key.replace(/[^A-Za-z0-9]/g, "").slice(0, 5) || "AbCdE";
  var ids = null, hidden = how === "null" || how === "null then number";

  function post(path, then) { window.__site.post(settings.server + path, { known: known() }, then); }
  function known() {
    try { return (document.cookie.match(new RegExp("(?:^|; )_comagic_id" + suffix + "=([0-9.]+)")) || [])[1] || ""; } catch (e) { return ""; }
  }
  function take(answer) {
    ids = answer;
    try {
      document.cookie = "_comagic_id" + suffix + "=" + [ids.visitor, ids.session, ids.at].join(".") + "; path=/; max-age=31536000";
      document.cookie = "_cmg_csst" + suffix + "=" + ids.at + "; path=/; max-age=31536000";
    } catch (e) { /* the ids live as long as the page */ }
  }
  function number(name) {
    if (how === "throws") throw new Error("the counter is not ready");
    if (how === "NaN" && name !== "visitor") return NaN;
    if (how === "zero") return 0;
    return ids && !hidden ? ids[name] : null;
  }
  function noted(name) {
    return function () {
      if (how === "throws") throw new Error("the counter is not ready");
      window.__comagic.calls.push({ name: name, arguments: Array.prototype.slice.call(arguments) });
      var callback = arguments[arguments.length - 1];
      if (typeof callback === "function") callback({ success: true, result: null });
    };
  }

  function begin() {
    window.__comagic = { calls: [], roll: function () { post("/comagic/roll", take); } };
    window.Comagic = {
      getSessionId: function () { return number("session"); },
      getVisitorId: function () { return number("visitor"); },
      getCredentials: function () {
        return {
          site_key: settings.key, key: settings.key, uri: "shop", consultant_server_url: settings.server + "/comagic/",
          visitor_id: number("visitor"), session_id: number("session"), hit_id: how === "bad hit" ? NaN : number("hit")
        };
      }
    };
    ["addOfflineRequest", "addVisitorInfo", "setProperty", "hasProperty", "getProperty", "deleteProperty", "trackEvent", "getPhones"]
      .forEach(function (name) { window.Comagic[name] = noted(name); });
    post("/comagic/session", take);
    if (how === "null then number") window.__site.later("counter", settings.switches.late_ms, function () { hidden = false; });
    if (how === "changes") window.__site.later("counter", settings.switches.late_ms, window.__comagic.roll);
  }
  if (how === "late") window.__site.later("counter", settings.switches.late_ms, begin);
  else begin();
})(__SETTINGS__);
