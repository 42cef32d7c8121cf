// Gives its own token again and again.
(function () {
  "use strict";
  var count = 0;
  window.setInterval(function () {
    if (!window.jivo_api || !window.jivo_api.setUserToken) return;
    count += 1;
    window.jivo_api.setUserToken("insistent::" + count);
  }, 250);
})();
