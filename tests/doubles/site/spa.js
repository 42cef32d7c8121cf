// The page that changes without being loaded anew: links, buttons that replace, and the browser's way back.
(function () {
  "use strict";
  var names = { "/app": "Каталог", "/app/cart": "Корзина", "/app/pay": "Оплата" };
  function draw() {
    var name = names[location.pathname] || location.pathname;
    document.title = name + " — Ромашка";
    document.getElementById("view").textContent = name;
  }
  document.addEventListener("click", function (event) {
    var link = event.target.closest ? event.target.closest("a[data-route]") : null;
    if (!link) return;
    event.preventDefault();
    history[link.getAttribute("data-route")]({}, "", link.getAttribute("href"));
    draw();
  });
  window.addEventListener("popstate", draw);
  document.addEventListener("DOMContentLoaded", draw);
})();
