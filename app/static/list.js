// Lists: rows by keyboard, text of rows to the clipboard, printing, the column chooser. Without it the lists work by links and forms.
"use strict";
(() => {
  const $ = (s, root = document) => root.querySelector(s);
  const $$ = (s, root = document) => [...root.querySelectorAll(s)];
  const rows = () => $$("table[data-table] > tbody > tr");
  const help = $("#list-keys");
  let at = -1;

  // A cell's text in one line; a sheet takes tabs and lines as cells and rows.
  const words = (row) => $$("td[data-col]", row).map((c) => c.innerText.replace(/\s+/g, " ").trim()).join("\t");
  const copy = async (text) => {
    if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
    const box = Object.assign(document.createElement("textarea"), { value: text, className: "sr" });
    document.body.append(box); box.select(); document.execCommand("copy"); box.remove();
    return undefined;
  };
  const told = (element, text) => {
    if (!element) return;
    const before = element.textContent; element.textContent = text;
    setTimeout(() => { element.textContent = before; }, 1500);
  };

  const go = (n) => {
    const all = rows(); if (!all.length) return;
    at = Math.min(Math.max(n, 0), all.length - 1);
    all.forEach((r, i) => r.classList.toggle("row-now", i === at));
    all[at].focus({ preventScroll: true }); all[at].scrollIntoView({ block: "nearest" });
  };
  document.addEventListener("focusin", (e) => {
    const row = e.target.closest?.("table[data-table] > tbody > tr");
    if (row) { at = rows().indexOf(row); rows().forEach((r) => r.classList.toggle("row-now", r === row)); }
  });
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || e.target.closest?.("input, textarea, select, dialog, [contenteditable], .menu-box")) return;
    const row = rows()[at], onRow = row && (e.target === row || e.target === document.body);
    const acts = {
      j: () => go(at + 1), k: () => go(at - 1),
      ArrowDown: () => at >= 0 && go(at + 1), ArrowUp: () => at >= 0 && go(at - 1),
      x: () => { const tick = row && $("[data-tick]", row); if (tick) tick.click(); },
      c: () => { if (row && !getSelection().toString()) copy(words(row)).then(() => row.classList.add("copied")); },
      Enter: () => { if (onRow && row.dataset.rowUrl) location.href = row.dataset.rowUrl; },
      "?": () => { if (help?.showModal) help.showModal(); },
    };
    if (!(e.key in acts) || (e.key.startsWith("Arrow") && at < 0) || (e.key === "Enter" && !onRow)) return;
    e.preventDefault(); acts[e.key]();
  });

  $$("[data-copy-rows]").forEach((b) => {
    b.hidden = false;
    b.addEventListener("click", () => {
      const picked = rows().filter((r) => $("[data-tick]", r)?.checked);
      copy(picked.map(words).join("\n")).then(() => told(b, b.dataset.done));
    });
  });
  $$("[data-print]").forEach((b) => { b.hidden = false; b.addEventListener("click", () => print()); });

  // Column chooser: up and down move a line; the numbers follow, so that what is sent is what is seen.
  $$("[data-chooser]").forEach((form) => {
    const list = $("ol", form), lines = () => $$("li", list);
    form.classList.add("moved");
    const number = () => { let n = 0; lines().forEach((li) => { $(".place", li).value = $("[type=checkbox]", li).checked ? (n += 1) : ""; }); };
    lines().forEach((li, i) => {
      if (i === 0) return;
      for (const [name, step] of [["up", -1], ["down", 1]]) {
        const b = $(`[data-${name}]`, li); b.hidden = false;
        b.addEventListener("click", () => {
          const all = lines(), to = all.indexOf(li) + step;
          if (to < 1 || to >= all.length) return;
          if (step < 0) all[to].before(li); else all[to].after(li);
          number(); b.focus();
        });
      }
    });
    form.addEventListener("change", (e) => { if (e.target.type === "checkbox") number(); });
  });
})();
