// The first script of every page: notes what goes wrong, then makes the page as inhospitable as the switches say.
(function (switches) {
  "use strict";
  var problems = window.__site.problems;
  window.addEventListener("error", function (event) {
    if (event.message) problems.push("error: " + event.message);
  });
  window.addEventListener("unhandledrejection", function (event) { problems.push("rejection: " + event.reason); });
  document.addEventListener("securitypolicyviolation", function (event) {
    problems.push("policy: " + event.effectiveDirective + " " + event.blockedURI);
  });

  function refuse(owner, name) {
    Object.defineProperty(owner, name, {
      configurable: true,
      get: function () { throw new DOMException("Access is denied for this document.", "SecurityError"); },
      set: function () { throw new DOMException("Access is denied for this document.", "SecurityError"); }
    });
  }
  function noCookies() {
    Object.defineProperty(document, "cookie", { configurable: true, get: function () { return ""; }, set: function () {} });
  }
  var storage = {
    refused: function () {
      refuse(window, "localStorage");
      refuse(window, "sessionStorage");
      refuse(document, "cookie");
    },
    full: function () {
      window.Storage.prototype.setItem = function () { throw new DOMException("The quota has been exceeded.", "QuotaExceededError"); };
    },
    "no cookies": noCookies,
    missing: function () {
      noCookies();
      ["localStorage", "sessionStorage"].forEach(function (name) {
        Object.defineProperty(window, name, { configurable: true, value: null });
      });
    }
  };
  if (storage[switches.storage]) storage[switches.storage]();

  if (switches.library === "prototype") {
    // As an old library does it: JSON of lists and texts is made twice, every list has members beside its elements,
    // and functions of the language are replaced by others.
    Array.prototype.toJSON = function () { return "[" + this.join(", ") + "]"; };
    String.prototype.toJSON = function () { return '"' + this + '"'; };
    Array.prototype.each = function (work) { for (var place = 0; place < this.length; place += 1) work(this[place], place); };
    Array.prototype.last = function () { return this[this.length - 1]; };
    Array.from = function (list) { return list ? Array.prototype.slice.call(list) : []; };
    Function.prototype.bind = function (owner) {
      var self = this, given = Array.prototype.slice.call(arguments, 1);
      return function () { return self.apply(owner, given.concat(Array.prototype.slice.call(arguments))); };
    };
    window.$ = function (id) { return document.getElementById(id); };
  }
  if (switches.library === "old browser") {
    ["fetch", "URL", "URLSearchParams", "IntersectionObserver", "crypto"].forEach(function (name) {
      Object.defineProperty(window, name, { configurable: true, value: undefined });
    });
    Object.defineProperty(navigator, "sendBeacon", { configurable: true, value: undefined });
  }

  if (switches.document_write === "absent") document.write = document.writeln = undefined;
  if (switches.document_write === "throws") {
    document.write = document.writeln = function () { throw new Error("document.write is not welcome here"); };
  }

  if (switches.history === "frozen") Object.freeze(window.history);
  if (switches.history === "patched") {
    // Another counter was here before: it swallows what the original returns and loses its name.
    ["pushState", "replaceState"].forEach(function (name) {
      var original = window.history[name];
      window.history[name] = function () {
        original.apply(window.history, arguments);
        window.__site.routes = (window.__site.routes || 0) + 1;
      };
    });
  }

  if (switches.page_errors === "handler throws") window.onerror = function () { throw new Error("the page's own handler fails"); };
  if (switches.page_errors !== "none") {
    window.setTimeout(function () { throw new Error("the page's own script fails"); }, 0);
    window.pageIsBroken.now();
  }
})(__SETTINGS__.switches);
