// In the manner of Roistat: keeps who was there before, and gives its own visit as the token when the widget is ready.
(function () {
  "use strict";
  var visit = "90210" + (window.__site.roistat = 77), previous = window.jivo_onLoadCallback;
  window.jivo_onLoadCallback = function () {
    if (typeof previous === "function") previous.apply(this, arguments);
    window.jivo_api.setUserToken(visit);
    window.jivo_api.setCustomData([{ content: "Roistat: " + visit }]);
  };
})();
