// The box of the stand-in widget, in which a person writes. Styled through the object model: a page's policy allows it.
window.__jivoBox = function (mode, acts) {
  "use strict";
  var root, panel, lines, opened = false, filled = null, fields = {};

  function made(tag, text, style) {
    var element = document.createElement(tag), name;
    if (text) element.textContent = text;
    for (name in style || {}) element.style[name] = style[name];
    return element;
  }
  function button(text, work) {
    var element = made("button", text, {
      padding: "8px 14px", border: "0", borderRadius: "18px", background: "#0a7d48", color: "#fff", cursor: "pointer", font: "inherit"
    });
    element.type = "button";
    element.onclick = work;
    return element;
  }
  function field(tag, name, label) {
    var element = made(tag, "", {
      boxSizing: "border-box", width: "100%", margin: "0 0 6px", padding: "7px", border: "1px solid #b9c2bd", borderRadius: "6px", font: "inherit"
    });
    element.name = name;
    element.placeholder = label;
    element.setAttribute("aria-label", label);
    fields[name] = element;
    return element;
  }
  function contact() {
    var told = {};
    ["name", "phone", "email"].forEach(function (name) { if (fields[name].value) told[name] = fields[name].value; });
    return told;
  }

  function write() {
    var text = fields.text.value.trim();
    if (!text) return;
    fields.text.value = "";
    api.show("visitor", text);
    if (mode === "offline") acts.offline(contact(), text);
    else acts.write(text);
  }

  // The widget may be ready before the page has a body.
  function whenThereIsBody(work) {
    if (document.body) work();
    else document.addEventListener("DOMContentLoaded", work);
  }

  function draw() {
    if (root) return;
    root = made("div", "", {
      position: "fixed", right: "20px", bottom: "20px", zIndex: "99999", font: "15px/1.4 system-ui, sans-serif", color: "#16211c"
    });
    root.id = "jivo-double";
    panel = made("div", "", {
      display: "none", width: "300px", padding: "14px", marginBottom: "10px", background: "#fff", borderRadius: "12px",
      boxShadow: "0 6px 28px rgba(0, 0, 0, .28)"
    });
    panel.appendChild(made("b", mode === "offline" ? "Оставьте сообщение" : "Напишите нам, мы онлайн!"));
    lines = made("div", "", { maxHeight: "180px", overflowY: "auto", margin: "8px 0" });
    lines.setAttribute("role", "log");
    panel.appendChild(lines);
    panel.appendChild(field("textarea", "text", "Ваше сообщение"));
    panel.appendChild(button("Отправить", write));
    var details = made("details", "", { margin: "10px 0 0" });
    details.appendChild(made("summary", "Ваши контакты"));
    details.appendChild(field("input", "name", "Имя"));
    details.appendChild(field("input", "phone", "Телефон"));
    details.appendChild(field("input", "email", "Почта"));
    if (mode === "online") {
      details.appendChild(button("Оставить контакты", function () { acts.introduce(contact()); }));
      panel.appendChild(details);
      var end = button("Завершить чат", acts.end);
      end.style.background = "#66706b";
      end.style.marginTop = "10px";
      panel.appendChild(end);
    } else {
      details.open = true;
      panel.appendChild(details);
    }
    root.appendChild(panel);
    root.appendChild(button("Написать в чат", function () { if (opened) api.close(); else api.open(); }));
    whenThereIsBody(function () { if (root) document.body.appendChild(root); });
    if (filled) api.prefill(filled);
  }

  var api = {
    draw: draw,
    show: function (who, text) {
      draw();
      var line = made("div", text, { margin: "3px 0", textAlign: who === "visitor" ? "right" : "left" });
      line.setAttribute("data-who", who);
      lines.appendChild(line);
      lines.scrollTop = lines.scrollHeight;
    },
    open: function () {
      draw();
      panel.style.display = "block";
      opened = true;
      acts.fire("jivo_onOpen");
      acts.fire("jivo_onChangeState", mode === "offline" ? "label" : "chat");
    },
    close: function () {
      draw();
      panel.style.display = "none";
      opened = false;
      acts.fire("jivo_onClose");
    },
    prefill: function (message) {
      filled = message;
      if (!root) return;
      fields.text.value = message.message || "";
      ["name", "phone", "email"].forEach(function (name) { if (message[name]) fields[name].value = message[name]; });
    },
    remove: function () {
      if (root && root.parentNode) root.parentNode.removeChild(root);
      root = null;
    }
  };
  return api;
};
