// The stand-in for Jivo's widget (contract, section 6): its globals, its callbacks, and a box to write in.
(function (settings) {
  "use strict";
  var switches = settings.switches;
  if (switches.jivo_load === "never") return;

  var record = (window.__jivo = window.__jivo || { calls: [], fired: [], errors: [], tokens: [] });
  var cookie = "jv_double_" + settings.widget;
  var opened = new Date().getTime();
  var state, box;

  // ---- to the server

  function post(path, order, then) {
    order.widget = settings.widget;
    window.__site.post(settings.server + path, order, then);
  }

  function kept() {
    try { return (document.cookie.match(new RegExp("(?:^|; )" + cookie + "=(\\d+)")) || [])[1] || ""; } catch (e) { return ""; }
  }

  function keep(number) {
    try { document.cookie = cookie + "=" + number + "; path=/; max-age=31536000; samesite=lax"; } catch (e) { /* a new visitor on every page */ }
  }

  // ---- callbacks: whatever the global of this name is at the time of calling

  function fire(name, argument) {
    record.fired.push(name);
    if (typeof window[name] !== "function") return;
    try {
      if (arguments.length > 1) window[name](argument);
      else window[name]();
    } catch (error) {
      record.errors.push(name + ": " + error);
    }
  }

  // ---- methods

  function isJwt(token) {
    var parts = String(token).split(".");
    if (parts.length !== 3) return false;
    try {
      var claims = JSON.parse(window.atob(parts[1].replace(/-/g, "+").replace(/_/g, "/")));
      return /^[A-Za-z0-9]+$/.test(claims.id);
    } catch (e) { return false; }
  }

  function noted(name, given, accepted) {
    record.calls.push({ name: name, arguments: given, accepted: accepted });
    var call = { name: name, arguments: given, accepted: accepted, order: record.calls.length, opened: opened, page: location.href };
    state.known(function () { call.number = state.number; post("/jivo/call", call); });
  }

  // What every method does first: notes the call, and loses it where the widget is not ready. True: go on.
  function taken(name, given, accepted) {
    var ok = accepted !== false && (state.ready || switches.jivo_early_calls === "kept");
    noted(name, Array.prototype.slice.call(given), ok);
    if (!state.ready && switches.jivo_early_calls === "throw") throw new Error("jivo_api is not ready");
    return ok;
  }

  var methods = {
    setUserToken: function (token) {
      var jwt = switches.jivo_token.indexOf("jwt") === 0;
      var accepted = typeof token === "string" && switches.jivo_token !== "throws" && (!jwt || (isJwt(token) && !state.talking));
      var ok = taken("setUserToken", arguments, accepted);
      if (ok) { state.token = token; record.tokens.push(token); }
      if (!accepted && switches.jivo_token.indexOf("throws") >= 0) throw new Error("setUserToken: refused");
    },
    getVisitorNumber: function (callback) {
      var how = switches.jivo_number;
      if (!taken("getVisitorNumber", [], true)) return;
      if (how === "throws") throw new Error("getVisitorNumber: refused");
      if (how === "never") return;
      state.known(function () {
        function tell() { callback(how === "error" ? "no visitor" : null, how === "error" ? undefined : state.number); }
        window.setTimeout(function () { tell(); if (how === "twice") tell(); }, how === "late" ? settings.late_ms : 0);
      });
    },
    setContactInfo: function (contact) {
      if (!taken("setContactInfo", arguments, !!contact)) return;
      ["name", "email", "phone", "description"].forEach(function (key) { if (contact[key]) state.contact[key] = contact[key]; });
    },
    getContactInfo: function () {
      taken("getContactInfo", arguments);
      var told = { email: state.contact.email || null, phone: state.contact.phone || null, description: state.contact.description || null };
      told[switches.jivo_contact_keys] = state.contact.name || null;
      return told;
    },
    setCustomData: function (items) {
      taken("setCustomData", arguments, !!items && items.length <= 10);
    },
    setClientAttributes: function () { taken("setClientAttributes", arguments); },
    getUtm: function () { taken("getUtm", arguments); return state.utm; },
    sendPageTitle: function (title, fromApi, url) {
      if (taken("sendPageTitle", arguments)) state.page = { url: url || location.href, title: title };
    },
    sendOfflineMessage: function (message) { if (taken("sendOfflineMessage", arguments)) box.prefill(message); },
    chatMode: function () { taken("chatMode", arguments); return switches.jivo_mode; },
    open: function () { taken("open", arguments); box.open(); return { result: "ok" }; },
    close: function () { taken("close", arguments); box.close(); return { result: "ok" }; },
    startCall: function () { taken("startCall", arguments); fire("jivo_onCallStart"); return { result: "ok" }; },
    isCallbackEnabled: function (callback) { taken("isCallbackEnabled", []); callback({ result: "ok" }); },
    showProactiveInvitation: function () { if (taken("showProactiveInvitation", arguments)) state.invited = true; },
    setRules: function () { taken("setRules", arguments); },
    setWidgetColor: function () { taken("setWidgetColor", arguments); },
    getUnreadMessagesCount: function () { taken("getUnreadMessagesCount", arguments); return 0; },
    clearHistory: function () {
      if (taken("clearHistory", arguments)) { state.chats = 0; state.token = null; state.contact = {}; }
    }
  };

  // ---- what the visitor does

  function order(more) {
    more.number = state.number;
    more.page = state.page;
    more.token = state.token;
    more.life = switches.jivo_token_life;
    more.user_agent = navigator.userAgent;
    return more;
  }

  function write(text) {
    if (!state.talking) {
      if (!state.invited) fire("jivo_onClientStartChat");
      if (!state.chats) fire("jivo_onMessageSent");
    }
    state.talking = true;
    state.chats += 1;
    state.known(function () {
      post("/jivo/message", order({ text: text, ends: switches.jivo_chat_ends }), function (answer) {
        if (answer.accepted) fire("jivo_onAccept");
        if (answer.answer) { box.show("agent", answer.answer); fire("jivo_onMessageReceived"); }
        if (answer.finished) ended();
      });
    });
  }

  function ended() {
    state.talking = false;
    box.show("system", "Чат завершён");
  }

  var acts = {
    write: write,
    fire: fire,
    end: function () { post("/jivo/end", order({}), ended); },
    introduce: function (contact) {
      state.contact = contact;
      state.known(function () { post("/jivo/introduce", order({ contact: contact }), function () { fire("jivo_onIntroduction"); }); });
    },
    offline: function (contact, text) {
      state.known(function () {
        post("/jivo/offline", order({ contact: contact, text: text }), function () {
          fire("jivo_onOfflineFormSubmit");
          fire("jivo_onChangeState", "offline/success");
          box.show("system", "Сообщение отправлено");
        });
      });
    }
  };

  // ---- life

  function begin() {
    var waiting = [];
    var own = (state = {
      number: null, token: null, contact: {}, utm: {}, chats: 0, talking: false, ready: false,
      invited: switches.jivo_invitation === "shown",
      page: { url: location.href, title: document.title },
      known: function (then) { if (own.number) then(); else waiting.push(then); }
    });
    post("/jivo/hello", { number: kept(), url: location.href, title: document.title }, function (answer) {
      own.utm = answer.utm;
      own.contact = answer.contact;
      own.chats = answer.chats;
      own.number = answer.number;
      keep(answer.number);
      waiting.forEach(function (then) { then(); });
    });
    window.jivo_api = {};
    Object.keys(methods).forEach(function (name) { window.jivo_api[name] = methods[name]; });
    if (switches.jivo_token === "absent") delete window.jivo_api.setUserToken;
    if (switches.jivo_number === "absent") delete window.jivo_api.getVisitorNumber;
    box = window.__jivoBox(switches.jivo_mode, acts);
    if (switches.jivo_ready_ms === 0) ready();
    else window.__site.later("jivo ready", switches.jivo_ready_ms, ready);
  }

  function ready() {
    state.ready = true;
    box.draw();
    if (switches.jivo_callbacks === "called") fire("jivo_onLoadCallback");
    if (switches.jivo_opens === "by itself") box.open();
  }

  window.jivo_destroy = function () {
    noted("jivo_destroy", [], true);
    box.remove();
    delete window.jivo_api;
    fire("jivo_onWidgetDestroy");
  };
  window.jivo_init = function () {
    noted("jivo_init", [], true);
    if (window.jivo_api) box.remove();
    begin();
  };

  if (switches.jivo_load === "late") window.__site.later("jivo", switches.late_ms, begin);
  else begin();
})(__SETTINGS__);
