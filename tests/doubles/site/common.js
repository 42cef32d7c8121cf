// What every script of the stand-in site shares: work that comes late, or when a test says so.
(function () {
  "use strict";
  if (window.__site) return;
  var waiting = {};

  // An own writer of JSON: the page's library may have spoilt the browser's.
  function said(value) {
    if (value === null || value === undefined || typeof value === "function") return "null";
    if (typeof value === "number" || typeof value === "boolean") return isFinite(value) ? String(value) : "null";
    if (typeof value === "string") {
      return '"' + value.replace(/[\u0000-\u001f"\\\ud800-\udfff]/g, function (character) {
        return "\\u" + ("000" + character.charCodeAt(0).toString(16)).slice(-4);
      }) + '"';
    }
    var parts = [], place;
    if (Object.prototype.toString.call(value) === "[object Array]") {
      for (place = 0; place < value.length; place += 1) parts[place] = said(value[place]);
      return "[" + parts.join(",") + "]";
    }
    for (place in value) {
      if (Object.prototype.hasOwnProperty.call(value, place)) parts[parts.length] = said(place) + ":" + said(value[place]);
    }
    return "{" + parts.join(",") + "}";
  }

  window.__site = {
    problems: [],
    said: said,
    // To a vendor's server. What needs no answer must survive the page that it was sent from.
    post: function (url, order, then) {
      if (!then && window.fetch) {
        // Read to its end, or the browser takes it for one that goes on.
        window.fetch(url, { method: "POST", body: said(order), keepalive: true })
          .then(function (answer) { return answer.text(); })
          .catch(function () {});
        return;
      }
      var request = new XMLHttpRequest();
      request.open("POST", url);
      request.onload = function () { if (then && request.status === 200) then(JSON.parse(request.responseText)); };
      request.send(said(order));
    },
    // Do it after so many milliseconds; "by hand" waits for release(name).
    later: function (name, delay, work) {
      if (delay === "by hand") (waiting[name] = waiting[name] || []).push(work);
      else window.setTimeout(work, delay);
    },
    release: function (name) {
      var works = waiting[name] || [];
      delete waiting[name];
      works.forEach(function (work) { work(); });
      return works.length;
    }
  };
})();
