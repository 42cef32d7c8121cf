"""The counter and the site script on somebody else's site, in a real Chromium: two origins, as on the open web."""
