// Keeps a page fresh while somebody looks at it. Every page is complete without this.
(() => {
  "use strict";
  const main = document.getElementById("page:main");
  const every = Number(main && main.dataset.live) * 1000;
  if (!every || !window.fetch || !window.DOMParser) return;

  // What somebody wrote or chose and did not send yet would be lost.
  const begun = () => [...main.querySelectorAll("input, textarea, select")].some((field) =>
    field.options ? field.querySelector("[selected]") && [...field.options].some((o) => o.selected !== o.defaultSelected)
      : field.type === "checkbox" || field.type === "radio" ? field.checked !== field.defaultChecked
      : field.value !== field.defaultValue);

  // What the reader is in the middle of must not move: a form, a selection, an open menu.
  const busy = () => {
    const selection = window.getSelection();
    const focus = document.activeElement;
    return document.hidden
      || begun()
      || (selection && !selection.isCollapsed)
      || (focus && main.contains(focus) && focus !== main && focus.matches("input, select, textarea, button, summary, a"));
  };

  const opened = () => new Map(
    [...main.querySelectorAll("details[id]")].map((d) => [d.id, d.open]));

  const refresh = async () => {
    if (busy()) return;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" } });
      if (!answer.ok || busy()) return;
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.getElementById("page:main");
      if (!fresh) return;
      const was = opened();
      for (const details of fresh.querySelectorAll("details[id]")) {
        if (was.has(details.id)) details.open = was.get(details.id);
      }
      main.replaceChildren(...fresh.childNodes);
      for (const part of [".clock", ".rail nav"]) {
        const [old, now] = [document.querySelector(part), page.querySelector(part)];
        if (old && now && !old.contains(document.activeElement)) old.replaceWith(now);
      }
      document.title = page.title;
      document.documentElement.classList.remove("stale");
    } catch {
      document.documentElement.classList.add("stale");
    }
  };

  // Told when something changed, and looking now and then: charts move without any event. Only a
  // page that is seen listens, since a browser has few connections to one server.
  let source = null;
  const listen = () => {
    if (document.hidden) {
      source?.close();
      source = null;
    } else if (!source && window.EventSource) {
      let first = true;
      source = new EventSource("/live");
      source.addEventListener("change", () => {
        if (!first) refresh();
        first = false;
      });
    }
  };
  listen();
  setInterval(refresh, every);
  document.addEventListener("visibilitychange", () => { listen(); refresh(); });
})();
