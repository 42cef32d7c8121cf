// In the manner of the snippets for Yandex Metrika: when the page has loaded it waits for the widget, and gives its client
// id as the token.
(function () {
  "use strict";
  function wait() {
    var timer = window.setInterval(function () {
      if (!window.jivo_api || typeof window.jivo_api.setUserToken !== "function") return;
      window.clearInterval(timer);
      window.jivo_api.setUserToken("1699999999123456789");
    }, 200);
  }
  if (document.readyState === "complete") wait(); else window.addEventListener("load", wait);
})();
