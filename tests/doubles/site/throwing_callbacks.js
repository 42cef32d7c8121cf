// The site's own callbacks, each of which fails.
["jivo_onLoadCallback", "jivo_onOpen", "jivo_onClientStartChat", "jivo_onMessageSent"].forEach(function (name) {
  window[name] = function () { throw new Error("the site's " + name + " fails"); };
});
