// What the last word of the search field may become: a combobox with a list box, as the ARIA practices describe it.
// Without this script the field is what it was. The list is a help: whatever goes wrong with it is no trouble to anybody.
(() => {
  "use strict";
  const PAUSE_MS = 150;
  const WORD_AT_END = /[\p{L}\p{N}]$/u;

  const field = () => document.querySelector("#q");
  const list = () => document.querySelector("#completions");
  const chosen = () => list().querySelector('[aria-selected="true"]');

  let words = [], timer = 0, asking = null, quietUntil = 0;

  // How much of a word stands at the end of a text: `Brandsch` of `brandschutz` in `Kita Brandsch`.
  function begun(text, word) {
    for (let size = Math.min(word.length - 1, text.length); size > 0; size--) {
      const end = text.slice(-size);
      if (word.startsWith(end.toLowerCase()) && !WORD_AT_END.test(text.slice(0, -size))) return end;
    }
    return "";
  }

  // As the rest of the word is typed: `RL` goes on to `RLT`.
  function going(typed, word) {
    const rest = word.slice(typed.length);
    return typed.length > 1 && typed !== typed.toLowerCase() && typed === typed.toUpperCase() ? rest.toUpperCase() : rest;
  }

  function option(text, word, at) {
    const typed = begun(text, word);
    if (!typed) return null;
    const made = document.createElement("li"), rest = document.createElement("b");
    rest.textContent = going(typed, word);
    made.append(typed, rest);
    made.id = `completion-${at}`;
    made.dataset.text = text + rest.textContent;
    made.setAttribute("role", "option");
    made.setAttribute("aria-selected", "false");
    return made;
  }

  function show() {
    list().replaceChildren(...words.map((word, at) => option(field().value, word, at)).filter(Boolean));
    list().hidden = !list().children.length;
    field().setAttribute("aria-expanded", String(!list().hidden));
    field().removeAttribute("aria-activedescendant");
  }

  function close() {
    clearTimeout(timer);
    asking?.abort();
    words = [];
    if (list()) show();
  }

  function choose(next) {
    chosen()?.setAttribute("aria-selected", "false");
    if (!next) { field().removeAttribute("aria-activedescendant"); return; }
    next.setAttribute("aria-selected", "true");
    next.scrollIntoView({ block: "nearest" });
    field().setAttribute("aria-activedescendant", next.id);
  }

  function take(made) {
    field().value = made.dataset.text;
    close();
    field().dispatchEvent(new Event("input", { bubbles: true }));  // htmx searches, as if it had been typed
  }

  async function ask() {
    const text = field().value;
    asking = new AbortController();
    const found = await completions(text, asking.signal);
    if (!found || field().value !== text || document.activeElement !== field()) return;
    words = found;
    show();
  }

  async function completions(text, signal) {
    try {
      const answer = await fetch(`/api/suggest?${new URLSearchParams({ q: text })}`, { signal });
      if (answer.status === 429) quietUntil = Date.now() + 1000 * Number(answer.headers.get("Retry-After"));
      return answer.ok ? (await answer.json()).completions : [];
    } catch { return null; }  // there is no server, or more was typed meanwhile
  }

  document.addEventListener("input", (event) => {
    if (event.target !== field() || !event.isTrusted) return;
    clearTimeout(timer);
    asking?.abort();
    const isAtEnd = field().selectionEnd === field().value.length && WORD_AT_END.test(field().value);
    if (!isAtEnd) { close(); return; }
    show();  // those of before that still fit, until the others come
    if (Date.now() >= quietUntil) timer = setTimeout(ask, PAUSE_MS);
  });

  // Before the keys of the page: as long as the list is open, they are the list's.
  document.addEventListener("keydown", (event) => {
    if (event.target !== field() || event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
    const act = list().hidden ? null : listKeys(event.key);
    if (event.key === "Enter" && !act) close();
    if (act) { event.preventDefault(); act(); }
  }, true);

  function listKeys(key) {
    const now = chosen();
    if (key === "ArrowDown") return () => choose(now ? now.nextElementSibling : list().firstElementChild);
    if (key === "ArrowUp") return () => choose(now ? now.previousElementSibling : list().lastElementChild);
    if (key === "Escape") return close;
    return key === "Enter" && now ? () => take(now) : null;
  }

  document.addEventListener("mousedown", (event) => {
    if (event.target.closest("#completions")) event.preventDefault();  // the field keeps the focus, and a phone its keys
  });
  document.addEventListener("click", (event) => {
    const made = event.target.closest("#completions [role=option]");
    if (made) take(made);
  });
  document.addEventListener("focusout", (event) => { if (event.target === field()) close(); });

  function begin() {
    const said = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": "completions" };
    for (const [name, value] of Object.entries(said)) field().setAttribute(name, value);
  }
  begin();
  document.addEventListener("htmx:historyRestore", begin);
})();
