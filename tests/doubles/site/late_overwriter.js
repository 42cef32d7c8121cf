// The same, but when the page has long been read.
window.addEventListener("load", function () {
  window.jivo_onLoadCallback = window.jivo_onOpen = window.jivo_onClientStartChat = window.jivo_onMessageSent = function () {
    window.__site.overwriter = (window.__site.overwriter || 0) + 1;
  };
});
