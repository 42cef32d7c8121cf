// The site's own callbacks, there before everybody: a script that comes later must go on calling them as they were.
(function () {
  "use strict";
  window.__site.called = [];
  ["onLoadCallback", "onOpen", "onClose", "onChangeState", "onClientStartChat", "onMessageSent", "onIntroduction", "onAccept", "onMessageReceived"]
    .forEach(function (name) {
      window["jivo_" + name] = function () {
        window.__site.called.push({ name: name, given: Array.prototype.slice.call(arguments), on: this === window || this === undefined });
      };
    });
})();
