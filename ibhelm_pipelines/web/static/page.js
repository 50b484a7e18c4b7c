// What the search page does beyond links and forms: keys, the theme, what was typed, what is said aloud.
// It runs before the page is drawn, so that the theme is right from the first moment, and listens on the document only.
(() => {
  "use strict";
  const root = document.documentElement;
  const one = (selector, within = document) => within.querySelector(selector);
  const remembered = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
  const remember = (name, value) => { try { localStorage.setItem(name, value); } catch { /* private windows */ } };

  root.dataset.js = "";
  const theme = remembered("theme");
  if (theme === "light" || theme === "dark") root.dataset.theme = theme;

  const isNarrow = () => matchMedia("(max-width: 620px)").matches;
  const panel = () => one("#detail > *");
  const hits = () => [...document.querySelectorAll(".hit-link")];
  const openHit = () => {
    const shown = one("#detail .panel");
    return shown && one(`.hit[data-id="${shown.dataset.id}"] .hit-link`);
  };

  const actions = {
    theme() {
      const isDark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
      root.dataset.theme = isDark ? "light" : "dark";
      remember("theme", root.dataset.theme);
    },
    help() { one("#help").showModal(); },
    filters(button) {
      root.toggleAttribute("data-filters");
      button.setAttribute("aria-expanded", String(root.hasAttribute("data-filters")));
    },
    async copy(button) {
      const link = new URL(button.dataset.link, location.href).href;
      const isCopied = await copied(link);
      one("span", button).textContent = isCopied ? "Link kopiert" : link;
      one("#status").textContent = isCopied ? "Link kopiert" : "";
    },
  };

  async function copied(text) {
    if (navigator.clipboard) {
      try { await navigator.clipboard.writeText(text); return true; } catch { /* not allowed: the old way */ }
    }
    const field = document.createElement("textarea");
    field.value = text;
    field.className = "only-read";
    document.body.append(field);
    field.select();
    const isCopied = document.execCommand("copy");
    field.remove();
    return isCopied;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-do]");
    if (button) actions[button.dataset.do](button);
    const help = one("#help");
    if (event.target === help) help.close();
    const popup = one("#save[open]");
    if (popup && !popup.contains(event.target)) popup.open = false;
  });

  // Keys
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || one("dialog[open]")) return;
    const field = event.target.closest("input, textarea, select");
    const isTyping = field && field.type !== "hidden";
    const act = isTyping ? typingKeys(event.key, field) : readingKeys(event.key, event.target);
    if (act) { event.preventDefault(); act(); }
  });

  function typingKeys(key, field) {
    if (field.id === "q" && key === "ArrowDown" && hits().length) return () => move(1);
    if (key === "Escape" && one("#save[open]")) return () => { one("#save").open = false; one("#save summary").focus(); };
    if (key === "Escape" && panel()) return close;
    return null;
  }

  function readingKeys(key, target) {
    if (key === "/") return () => { one("#q")?.focus(); one("#q")?.select(); };
    if (key === "?" && one("#help")) return actions.help;
    if (key === "Escape" && one("#save[open]")) return () => { one("#save").open = false; one("#save summary").focus(); };
    if (key === "Escape" && panel()) return close;
    const step = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[key] ?? (one("#hits.gallery") ? { ArrowRight: 1, ArrowLeft: -1 }[key] : undefined);
    const scrolls = key.startsWith("Arrow") && target.closest("#detail");
    return step && hits().length && !scrolls ? () => move(step) : null;
  }

  let following = 0;
  function move(step) {
    const links = hits();
    const from = links.indexOf(document.activeElement.closest(".hit-link") ?? openHit());
    const to = links[Math.max(0, Math.min(links.length - 1, from + step))];
    if (from === 0 && step < 0) { one("#q").focus(); return; }
    to.focus();
    to.closest(".hit").scrollIntoView({ block: "nearest" });
    if (!panel() || isNarrow()) return;
    clearTimeout(following);
    following = setTimeout(() => { isFollowing = true; to.click(); }, 150);
  }
  let isFollowing = false;

  function close() { one("#close").click(); }

  // htmx: what was typed goes into one entry of the history, not into one for every letter.
  const isTyped = (event) => event.detail.requestConfig?.triggeringEvent?.type === "input";
  let isTypingOn = false;
  document.addEventListener("htmx:beforeHistoryUpdate", (event) => {
    if ((isTyped(event) && isTypingOn) || isFollowing) event.detail.history.type = "replace";
    isTypingOn = isTyped(event);
  });

  let wasOpen = null;
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target.id === "detail") wasOpen = openHit();
  });

  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.detail.target.id === "results") resultsCame(isTyped(event));
    if (event.detail.target.id === "detail") detailCame();
    if (event.detail.target.id === "more") moreCame();
  });
  document.addEventListener("htmx:historyRestore", () => {
    one("#status").textContent = one("#found").dataset.say;
    markOpen();
  });

  function resultsCame(isOfTyping) {
    const found = one("#found"), field = one("#q"), view = one("#view");
    if (!isOfTyping) field.value = found.dataset.query;
    view.disabled = found.dataset.view !== "gallery";
    one("#status").textContent = found.dataset.say;
    one("[data-do=filters]")?.setAttribute("aria-expanded", String(root.hasAttribute("data-filters")));
    markOpen();
  }

  function detailCame() {
    markOpen();
    if (!panel()) { (wasOpen ?? one("#q")).focus({ preventScroll: true }); return; }
    one("#detail").scrollTop = 0;
    showFirstFound();
    if (!isFollowing) one("#panel-title").focus({ preventScroll: true });
    isFollowing = false;
  }

  function moreCame() {
    one("#status").textContent = `${hits().length} Treffer geladen`;
    const next = hits()[loadedBefore];
    if (next) next.focus({ preventScroll: true });
  }
  let loadedBefore = 0;
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (event.detail.target?.id === "more") loadedBefore = hits().length;
  });

  function showFirstFound() {
    const body = one("#detail .body"), found = body && one("mark", body);
    if (found) body.scrollTop = found.getBoundingClientRect().top - body.getBoundingClientRect().top - 60;
  }

  function markOpen() {
    for (const hit of document.querySelectorAll(".hit[aria-current]")) hit.removeAttribute("aria-current");
    openHit()?.closest(".hit").setAttribute("aria-current", "true");
    one("#shell").inert = Boolean(panel()) && isNarrow();
  }

  // What goes wrong is said; what comes later may go well.
  let running = 0;
  function busy(change) {
    running = Math.max(0, running + change);
    root.toggleAttribute("data-busy", running > 0);
  }
  document.addEventListener("htmx:beforeSend", () => { busy(1); trouble(""); });
  document.addEventListener("htmx:afterRequest", () => busy(-1));
  document.addEventListener("htmx:sendError", () => trouble("Die Suche ist gerade nicht erreichbar. Besteht die Verbindung zum Büro?"));
  document.addEventListener("htmx:responseError", (event) => {
    const answer = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
    trouble(one(".sentence", answer)?.textContent ?? "Das ging nicht. Bitte noch einmal versuchen.");
  });
  function trouble(sentence) {
    const place = one("#trouble");
    if (!place) return;
    place.textContent = sentence;
    place.hidden = !sentence;
  }

  document.addEventListener("DOMContentLoaded", () => { if (one("#shell")) { markOpen(); showFirstFound(); } });
})();
