/* What the pages need beyond htmx: copying, questions, unsaved changes, menus, focus. Every page works without it.
   Listeners stand on the document, so that parts swapped in by htmx need no set-up. All texts come from the markup. */
"use strict";

(() => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)");

  /* A line that only screen readers hear. Other scripts dispatch "spoken" with the text. */

  function say(text) {
    let region = document.getElementById("spoken");
    if (!region) {
      region = document.createElement("div");
      region.id = "spoken";
      region.className = "visually-hidden";
      region.setAttribute("role", "status");
      document.body.append(region);
    }
    region.textContent = "";
    setTimeout(() => (region.textContent = text), 50);
  }

  document.addEventListener("spoken", (event) => say(event.detail));

  /* Copying: data-copy="#id" on the button, data-copied-text is what it says afterwards. */

  async function copyText(source) {
    try {
      await navigator.clipboard.writeText("value" in source ? source.value : source.textContent);
      return true;
    } catch {
      // No clipboard without https: select the text and let the browser copy the selection.
      if (source.select) source.select();
      else getSelection().selectAllChildren(source);
      return document.execCommand("copy");
    }
  }

  const copyTimers = new WeakMap();

  async function copy(button) {
    const source = document.querySelector(button.dataset.copy);
    if (!source || !(await copyText(source))) return;
    button.dataset.text ??= button.textContent.trim();
    button.textContent = button.dataset.copiedText;
    button.classList.add("is-copied");
    say(button.dataset.copiedText);
    clearTimeout(copyTimers.get(button));
    const timer = setTimeout(() => {
      button.textContent = button.dataset.text;
      button.classList.remove("is-copied");
    }, 2500);
    copyTimers.set(button, timer);
  }

  /* Questions: data-confirm on a submit button or a link; data-confirm-yes is the text of the yes button,
     data-confirm-danger colours it. */

  let confirmed = null;

  function ask(control) {
    const dialog = document.getElementById("confirm");
    const yes = dialog.querySelector('[value="yes"]');
    dialog.querySelector(".confirm-text").textContent = control.dataset.confirm;
    yes.textContent = control.dataset.confirmYes || yes.dataset.defaultText;
    yes.className = control.matches(".btn-danger, [data-confirm-danger]") ? "btn btn-danger" : "btn btn-primary";
    dialog.returnValue = "";
    dialog.onclose = () => {
      control.focus();
      if (dialog.returnValue !== "yes") return;
      // Without this field the server asks by a page of its own.
      const answer = document.createElement("input");
      Object.assign(answer, { type: "hidden", name: "confirmed", value: "yes" });
      control.form?.append(answer);
      confirmed = control;
      control.click();
      confirmed = null;
      answer.remove();
    };
    dialog.showModal();
  }

  document.addEventListener("click", (event) => {
    const control = event.target.closest("[data-confirm]");
    if (!control || control === confirmed) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    ask(control);
  }, true);

  /* Unsaved changes: form[data-guard] with an id. Leaving asks first. The element [data-changes] in the form, or
     [data-changes="#id"] anywhere, names what has changed: data-template has {labels} for the labels, data-none is the
     text without changes, data-unknown the one for a form that came back with errors (data-guard="changed"), of which
     the saved state is not known. data-guard-label gives everything in an element one label, hidden fields too; the
     outermost counts. */

  const savedStates = new Map();
  const guarded = new WeakSet();
  const changedForms = new WeakSet();
  const idOf = (form) => form.getAttribute("id");

  function groupOf(control) {
    let group = null;
    let next = control;
    while ((next = next.parentElement?.closest("[data-guard-label]"))) group = next;
    return group;
  }

  function labelOf(control) {
    const group = groupOf(control);
    if (group) return group.dataset.guardLabel;
    const legend = control.type === "radio" && control.closest("fieldset")?.querySelector("legend");
    const label = legend || control.labels?.[0] || control.closest("[data-combobox]")?.querySelector("label");
    return (label?.firstChild?.textContent ?? control.getAttribute("aria-label") ?? "").trim();
  }

  function valueOf(control) {
    if (control.selectedOptions) return [...control.selectedOptions].map((option) => option.value).join();
    if (control.value || control.type !== "hidden") return control.value;
    // A combobox with words that nobody has picked is changed by its words.
    return control.closest("[data-combobox]")?.querySelector("[role=combobox]").value ?? "";
  }

  function stateOf(form) {
    const state = new Map();
    for (const control of form.elements) {
      if (!control.name || control.name === "csrf_token" || control.closest("[data-guard-ignore]")) continue;
      if (control.matches("button, [type=submit], [role=combobox]")) continue;
      if (control.matches("[type=checkbox], [type=radio]") && !control.checked) continue;
      const label = labelOf(control);
      if (!label) continue;
      state.set(label, `${state.get(label) ?? ""}\n${control.name}=${valueOf(control)}`);
    }
    return state;
  }

  function changedLabels(form) {
    const before = savedStates.get(idOf(form)) ?? new Map();
    const now = stateOf(form);
    const labels = [...now.keys()].filter((label) => before.get(label) !== now.get(label));
    // What has gone from the page is named only when nothing that is there explains it.
    return labels.length ? labels : [...before.keys()].filter((label) => !now.has(label));
  }

  function showChanges(form) {
    const unknown = !savedStates.has(idOf(form));
    const labels = unknown ? [] : changedLabels(form);
    if (unknown || labels.length) changedForms.add(form);
    else changedForms.delete(form);
    for (const place of document.querySelectorAll("[data-changes]")) {
      if (place.dataset.changes ? place.dataset.changes !== `#${idOf(form)}` : !form.contains(place)) continue;
      const { template = "", none = "", unknown: unsure = "" } = place.dataset;
      const text = unknown ? unsure : labels.length ? template.replace("{labels}", () => labels.join(", ")) : none;
      if (place.textContent !== text) place.textContent = text;
    }
  }

  function guardForms() {
    for (const form of document.querySelectorAll("form[data-guard]")) {
      // A form that came back with errors is still compared with what was saved.
      if (!guarded.has(form) && form.dataset.guard !== "changed") savedStates.set(idOf(form), stateOf(form));
      guarded.add(form);
      showChanges(form);
    }
  }

  for (const name of ["input", "change"]) {
    document.addEventListener(name, (event) => {
      const form = event.target.form;
      if (form?.matches("[data-guard]")) showChanges(form);
    });
  }

  document.addEventListener("submit", (event) => {
    // htmx stays on the page and has prevented the event by now; a plain submit leaves it on purpose.
    if (!event.defaultPrevented) changedForms.delete(event.target);
  });

  addEventListener("beforeunload", (event) => {
    const forms = [...document.querySelectorAll("form[data-guard]")];
    if (forms.some((form) => changedForms.has(form))) event.preventDefault();
  });

  /* What htmx does with an answer that is no part of the page. A saved form goes on to its page, which is loaded even
     when only the anchor differs. After a lost sign-in or with an expired page the same is sent as a page of its own,
     which keeps what was typed and offers to send it again. Any other failure is said, and nothing is swapped. */

  function goTo(address) {
    const there = new URL(address, location.href);
    const isHere = there.pathname + there.search === location.pathname + location.search;
    location.assign(there);
    if (isHere) location.reload();
  }

  function sendAsPage({ action, body }) {
    const form = document.createElement("form");
    form.method = "post";
    form.action = action;
    form.hidden = true;
    for (const [name, value] of body) {
      const field = document.createElement("input");
      Object.assign(field, { type: "hidden", name, value });
      form.append(field);
    }
    document.body.append(form);
    HTMLFormElement.prototype.submit.call(form);
  }

  function showFailure(text) {
    const line = document.createElement("p");
    line.className = "flash flash-refused";
    line.textContent = text || document.body.dataset.failedText;
    const region = document.getElementById("flash");
    region.replaceChildren(line);
    region.scrollIntoView({ block: "center" });
  }

  document.addEventListener("htmx:before:response", (event) => {
    const { hx, request, response } = event.detail.ctx;
    // What we ask for in parts is redirected nowhere but to the sign-in page.
    if (!hx.redirect && !response.raw.redirected) return;
    event.preventDefault();
    if (!hx.redirect) return;
    changedForms.delete(request.form);
    goTo(hx.redirect);
  });

  document.addEventListener("htmx:before:swap", (event) => {
    const { request, response, text } = event.detail.ctx;
    // 422 is the form again, with its errors.
    if (!(response?.status >= 400) || response.status === 422) return;
    event.preventDefault();
    if (request.method !== "POST") return;
    if (response.status === 400 || response.status === 401) {
      changedForms.delete(request.form);
      sendAsPage(request);
    } else {
      const answer = new DOMParser().parseFromString(text, "text/html");
      showFailure(answer.querySelector("[role=alert]")?.textContent.trim());
    }
  });

  document.addEventListener("htmx:error", (event) => {
    if (event.detail.ctx?.request.method === "POST") showFailure();
  });

  /* Focus and the window's title when a form came back with errors. */

  let attended = null;

  function attendErrors() {
    const summary = document.querySelector("[data-error-summary]");
    const prefix = document.body.dataset.errorPrefix;
    if (summary === attended) return;
    if (!summary) document.title = document.title.replace(prefix, "");
    else if (!document.title.startsWith(prefix)) document.title = prefix + document.title;
    attended = summary;
    summary?.focus();
  }

  /* Focus after a swap. htmx finds a control again by its id; buttons of rows have none, so their name and value do.
     When the button has gone with its row, the focus stays in the block that was swapped. */

  let focused = null;

  document.addEventListener("htmx:before:swap", () => {
    const { activeElement } = document;
    focused = activeElement === document.body ? null : activeElement;
  });

  function restoreFocus(block) {
    if (!focused || focused.isConnected || document.activeElement !== document.body) return;
    const [name, value] = [focused.name, focused.value].map((text) => CSS.escape(text ?? ""));
    const same = name && block.querySelector(`[name="${name}"][value="${value}"]`);
    if (!same) block.setAttribute("tabindex", "-1");
    (same || block).focus({ preventScroll: true });
    focused = null;
  }

  /* A choice that needs no button: select[data-submit-on-change]. Not by keyboard, where every arrow would be a choice. */

  let pointed = false;
  document.addEventListener("pointerdown", () => (pointed = true));
  document.addEventListener("keydown", () => (pointed = false));
  document.addEventListener("change", (event) => {
    if (pointed && event.target.matches("[data-submit-on-change]")) event.target.form.requestSubmit();
  });

  /* A list that comes back out of the browser's memory has the fields as they were left, not as it was asked for. The
     fields of a page that is loaded again are kept right by autocomplete="off". */

  addEventListener("pageshow", (event) => {
    if (event.persisted && document.querySelector("form.filters")) location.reload();
  });

  /* Menus close by themselves; links of the error summary lead into the field, not only to it. */

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-copy]");
    if (button) copy(button);
    for (const menu of document.querySelectorAll("details[data-menu][open]")) {
      if (!menu.contains(event.target) || event.target.closest("a")) menu.open = false;
    }
    const link = event.target.closest("[data-error-summary] a");
    const target = link && document.getElementById(link.hash.slice(1));
    if (!target) return;
    event.preventDefault();
    const inGroup = target.matches("fieldset") && (target.querySelector(":checked") ?? target.querySelector("input"));
    target.scrollIntoView({ block: "center" });
    (inGroup || target).focus({ preventScroll: true });
  });

  document.addEventListener("keydown", (event) => {
    const menu = event.key === "Escape" && event.target.closest?.("details[data-menu][open]");
    if (!menu) return;
    menu.open = false;
    menu.querySelector("summary").focus();
  });

  document.addEventListener("htmx:after:settle", (event) => {
    guardForms();
    attendErrors();
    restoreFocus(event.target);
    // What is fetched again and again says data-still, and lists of comboboxes open at once.
    if (calm.matches || event.target.closest?.("[data-still], [role=listbox]")) return;
    for (const part of event.detail.newContent) part.animate?.({ opacity: [0, 1] }, 150);
  });

  const here = document.querySelector(".nav-main [aria-current]");
  if (here) here.parentElement.scrollLeft = here.offsetLeft - (here.parentElement.clientWidth - here.offsetWidth) / 2;
  guardForms();
  attendErrors();
})();
