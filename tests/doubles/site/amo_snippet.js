// The lines that amoCRM gives for a site (contract, section 4.1), as far as others can see them: globals that queue until
// the loader has come.
(function (settings) {
  "use strict";
  var kommo = settings.switches.amo_names === "kommo";
  var object = kommo ? "crm_plugin" : "amo_social_button", command = kommo ? "crmPlugin" : "amoSocialButton";
  var mark = object + "_script";
  if (document.getElementById(mark)) window.__site.problems.push("the button's lines are on the page twice");
  window[object] = {
    id: settings.button, hash: "0000000000000000", locale: "ru", inline: false,
    setMeta: function (meta) { this.params = (this.params || []).concat([meta]); }
  };
  window[command] = function () { (window[command].q = window[command].q || []).push(arguments); };
  var loader = document.createElement("script");
  loader.async = true;
  loader.id = mark;
  loader.src = settings.server + "/js/button.js" + settings.query;
  document.head.appendChild(loader);
})(__SETTINGS__);
