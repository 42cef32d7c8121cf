/* Comboboxes (templates/macros/combobox.html): a field whose list the server searches through htmx.
   What is chosen lives in the hidden field; typing clears it, and then the server looks the words up by exact name.
   Listeners stand on the document, so that fields swapped in by htmx need no set-up. */
"use strict";

(() => {
  const isCombobox = (element) => element instanceof Element && element.matches("[role=combobox]");

  /* The field's parts. `chosen` is what the page came with, or what was picked last: Escape goes back to it. */
  function partsOf(element) {
    const box = element.closest("[data-combobox]");
    const input = box.querySelector("[role=combobox]");
    const hidden = box.querySelector("input[type=hidden]");
    input.chosen ??= { text: input.value, value: hidden.value };
    return { box, input, hidden, list: box.querySelector("[role=listbox]") };
  }

  const choices = (list) => [...list.querySelectorAll("[role=option]:not([aria-disabled])")];

  function setActive({ input, list }, option) {
    list.querySelector(".is-active")?.classList.remove("is-active");
    if (!option) return input.removeAttribute("aria-activedescendant");
    option.id ||= `${list.id}-${[...list.children].indexOf(option)}`;
    option.classList.add("is-active");
    option.scrollIntoView({ block: "nearest" });
    input.setAttribute("aria-activedescendant", option.id);
  }

  function open({ input, list }) {
    if (!list.childElementCount) showMessage(list, list.dataset.waitingText);
    input.setAttribute("aria-expanded", "true");
    list.hidden = false;
  }

  function close(combobox) {
    combobox.input.setAttribute("aria-expanded", "false");
    combobox.list.hidden = true;
    setActive(combobox, null);
  }

  function showMessage(list, text) {
    const line = document.createElement("li");
    line.className = "combo-message";
    line.setAttribute("role", "option");
    line.setAttribute("aria-disabled", "true");
    line.textContent = text;
    list.replaceChildren(line);
  }

  function search(combobox) {
    if (combobox.input.readOnly || combobox.input.disabled) return;
    open(combobox);
    combobox.input.dispatchEvent(new CustomEvent("combobox:open"));
  }

  function choose(combobox, option) {
    combobox.input.value = option.dataset.text;
    combobox.hidden.value = option.dataset.value;
    combobox.input.chosen = { text: combobox.input.value, value: combobox.hidden.value };
    close(combobox);
    combobox.box.querySelector(".field-warning")?.remove();
    combobox.hidden.dispatchEvent(new Event("change", { bubbles: true }));
  }

  /* Leaving the field with the full name of a line typed out is choosing it. */
  function leave(combobox) {
    const typed = combobox.input.value.trim().toLowerCase();
    if (typed && !combobox.hidden.value) {
      const same = choices(combobox.list).filter((option) => option.dataset.text.toLowerCase() === typed);
      if (same.length === 1) return choose(combobox, same[0]);
    }
    close(combobox);
  }

  function goBack(combobox) {
    const { chosen } = combobox.input;
    combobox.input.value = chosen.text;
    combobox.hidden.value = chosen.value;
    close(combobox);
    combobox.hidden.dispatchEvent(new Event("change", { bubbles: true }));
  }

  function move(combobox, key) {
    const options = choices(combobox.list);
    if (!options.length) return;
    const now = options.findIndex((option) => option.classList.contains("is-active"));
    const next = key === "ArrowDown" ? now + 1 : now < 0 ? options.length - 1 : now - 1;
    setActive(combobox, options[(next + options.length) % options.length]);
  }

  document.addEventListener("keydown", (event) => {
    if (!isCombobox(event.target) || event.isComposing) return;
    const combobox = partsOf(event.target);
    const isOpen = !combobox.list.hidden;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      if (isOpen) move(combobox, event.key);
      else search(combobox);
    } else if (event.key === "Enter" && isOpen) {
      event.preventDefault();
      const active = combobox.list.querySelector(".is-active");
      if (active) choose(combobox, active);
      else close(combobox);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      event.stopImmediatePropagation();
      goBack(combobox);
    }
  });

  document.addEventListener("input", (event) => {
    if (!isCombobox(event.target)) return;
    const combobox = partsOf(event.target);
    const { chosen } = combobox.input;
    combobox.hidden.value = combobox.input.value === chosen.text ? chosen.value : "";
    open(combobox);
  }, true);

  document.addEventListener("focusin", (event) => {
    if (isCombobox(event.target)) partsOf(event.target);
  });

  document.addEventListener("focusout", (event) => {
    if (!isCombobox(event.target)) return;
    const combobox = partsOf(event.target);
    if (!combobox.box.contains(event.relatedTarget)) leave(combobox);
  });

  document.addEventListener("mousedown", (event) => {
    // The list must not take the focus from the field.
    if (event.target.closest(".combo-list, .combo-toggle")) event.preventDefault();
  });

  document.addEventListener("click", (event) => {
    const option = event.target.closest(".combo-list [role=option]:not([aria-disabled])");
    if (option) return choose(partsOf(option), option);
    const toggle = event.target.closest(".combo-toggle");
    if (!toggle && !isCombobox(event.target)) return;
    const combobox = partsOf(toggle ?? event.target);
    combobox.input.focus();
    if (toggle && !combobox.list.hidden) close(combobox);
    else if (combobox.list.hidden) search(combobox);
  });

  document.addEventListener("htmx:config:request", (event) => {
    if (!isCombobox(event.target)) return;
    const { input } = partsOf(event.target);
    const { body } = event.detail.ctx.request;
    body.delete(input.name);
    // A field that shows what is chosen opens with the whole list, not with that one line.
    body.set("q", input.value === input.chosen.text ? "" : input.value.trim());
  });

  for (const name of ["htmx:before:response", "htmx:error"]) {
    document.addEventListener(name, (event) => {
      if (!isCombobox(event.target)) return;
      const answer = event.detail.ctx.response?.raw;
      // The answer to a failed search, or to one after a lost sign-in, would be a whole page.
      if (name !== "htmx:error" && answer.ok && !answer.redirected) return;
      event.preventDefault();
      const { list } = partsOf(event.target);
      showMessage(list, list.dataset.failedText);
    });
  }

  document.addEventListener("htmx:after:swap", (event) => {
    if (!isCombobox(event.target)) return;
    const combobox = partsOf(event.target);
    for (const option of choices(combobox.list)) {
      option.setAttribute("aria-selected", String(option.dataset.value === combobox.hidden.value));
    }
    const typed = combobox.input.value !== combobox.input.chosen.text;
    setActive(combobox, typed ? choices(combobox.list)[0] : null);
    const note = combobox.list.querySelector(".combo-message");
    if (note) document.dispatchEvent(new CustomEvent("spoken", { detail: note.textContent.trim() }));
  });
})();
