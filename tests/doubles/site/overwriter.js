// Takes the place of whoever waited for the widget, and does not call them.
var jivo_onLoadCallback = function () { window.__site.overwriter = (window.__site.overwriter || 0) + 1; };
