// The preview of an import: cells edited in place, suggestions with one click, rows imported one request at a time.
"use strict";
(() => {
  const $ = (s, at = document) => at.querySelector(s), $$ = (s, at = document) => [...at.querySelectorAll(s)];
  const table = $("table[data-import]");
  if (!table) return;
  const base = `/imports/${table.dataset.import}`, words = JSON.parse(table.dataset.words), said = $("[data-said]");
  const token = () => $("input[name=csrf_token]").value;
  document.documentElement.classList.add("has-cells");
  $$("[data-with-script]").forEach((n) => { n.hidden = false; });

  const send = async (url, fields) => {
    const body = new URLSearchParams({ ...fields, several: "several" in table.dataset ? "1" : "", back: table.dataset.back });
    const answer = await fetch(url, { method: "POST", body, headers: { Accept: "application/json", "X-CSRFToken": token() } });
    if (answer.redirected || !(answer.headers.get("Content-Type") || "").includes("json")) throw new Error(answer.status);
    const data = await answer.json();
    if (!answer.ok) return { refused: data.error };
    if (data.reload) location.reload();
    return data;
  };
  const show = (data) => {
    for (const { position, html } of data.rows) {
      const old = $(`tr[data-row="${position}"]`, table);
      if (!old) continue;
      const box = document.createElement("tbody"); box.innerHTML = html;
      old.replaceWith(box.firstElementChild);
    }
    for (const n of $$("[data-count]")) n.textContent = Number(data.counts[n.dataset.count] || 0).toLocaleString("en-US");
    const total = { new: "new", created: "created", unchanged: "unchanged", refused: "refused", rival: "rivals", warning: "warnings" };
    for (const tab of $$(".tabs a")) {
      const name = total[new URL(tab.href).searchParams.get("outcome")], n = $(".n", tab);
      if (name && n) n.textContent = Number(data.counts[name] || 0).toLocaleString("en-US");
    }
    const confirm = $("[data-confirm-import]"), ready = data.counts.new || 0, whole = "whole" in table.dataset;
    // the button to confirm, and the sentence above, come with the first row that may be written
    if (!confirm && ready && !(whole && data.counts.refused)) { remember(); location.reload(); return; }
    if (confirm) { confirm.textContent = confirm.textContent.replace(/[\d,]+/, ready.toLocaleString("en-US")); confirm.disabled = !ready; }
  };
  const place = `cell:${table.dataset.import}`;
  const remember = () => { const wrap = table.parentElement; sessionStorage.setItem(place, JSON.stringify([scrollY, wrap.scrollLeft, wrap.scrollTop])); };
  const was = sessionStorage.getItem(place);
  if (was) { const [y, left, top] = JSON.parse(was); sessionStorage.removeItem(place); scrollTo(0, y); Object.assign(table.parentElement, { scrollLeft: left, scrollTop: top }); }
  const complain = (cell, text) => {
    const note = document.createElement("div"); note.className = "wrong"; note.textContent = text; cell.append(note); said.textContent = text;
  };

  // One cell: Enter saves and goes down, Tab saves and goes right, Esc leaves it as it was.
  let open = null;
  const close = (focus) => { if (!open) return; const { button, input } = open; open = null; input.replaceWith(button); if (focus) button.focus(); };
  const begin = (button) => {
    if (open) close(false);
    const input = Object.assign(document.createElement("input"), { type: "text", className: "cell-input", maxLength: 500, value: button.textContent.trim() });
    input.setAttribute("aria-label", table.tHead.rows[0].cells[button.closest("td").cellIndex].textContent);
    open = { button, input, was: input.value }; button.replaceWith(input); input.focus(); input.select();
  };
  const neighbour = (position, key, down, right) => {
    const row = $(`tr[data-row="${position}"]`, table), buttons = (r) => $$("[data-edit]", r);
    if (!row) return null;
    if (down) { let r = row.nextElementSibling; while (r && !$(`[data-edit="${key}"]`, r)) r = r.nextElementSibling; return r && $(`[data-edit="${key}"]`, r); }
    const all = buttons(row), at = all.findIndex((b) => b.dataset.edit === key) + right;
    return all[at] || null;
  };
  const save = async (down, right) => {
    const { button, input, was } = open, cell = input.closest("td"), row = cell.parentElement.dataset.row, key = button.dataset.edit, typed = input.value.trim();
    const go = () => { const next = (down || right) && neighbour(row, key, down, right); if (next) { next.scrollIntoView({ block: "nearest", inline: "nearest" }); begin(next); } else $(`tr[data-row="${row}"] [data-edit="${key}"]`, table)?.focus(); };
    if (typed === was) { close(true); go(); return; }
    close(false); button.textContent = typed || "　"; cell.classList.add("cell-busy"); said.textContent = words.saving;
    try {
      const data = await send(`${base}/cells/${row}`, { column: key, value: typed });
      cell.classList.remove("cell-busy");
      if (data.refused) { complain(cell, data.refused); return; }
      show(data); said.textContent = words.saved; go();
    } catch { cell.classList.remove("cell-busy"); complain(cell, words.offline); }
  };
  // a click anywhere in the cell begins, unless it is on something that acts by itself or ends a selection of text
  table.addEventListener("click", (e) => {
    const own = e.target.closest("[data-edit]"), cell = e.target.closest("td[data-cell]");
    if (own) { begin(own); return; }
    if (!cell || e.target.closest("a, button, input, summary, form") || String(getSelection())) return;
    const b = $("[data-edit]", cell);
    if (b) begin(b);
  });
  table.addEventListener("keydown", (e) => {
    if (!open || e.target !== open.input || e.isComposing) return;
    if (e.key === "Enter") { e.preventDefault(); save(true, 0); }
    if (e.key === "Tab") { e.preventDefault(); save(false, e.shiftKey ? -1 : 1); }
    if (e.key === "Escape") { e.preventDefault(); close(true); }
  });
  table.addEventListener("focusout", (e) => { if (open && e.target === open.input && !table.contains(e.relatedTarget)) save(false, 0); });

  // Suggestions, the same for all like it, keeping and dropping.
  table.addEventListener("submit", async (e) => {
    const form = e.target.closest("form[data-cure], form[data-drop]");
    if (!form) return;
    e.preventDefault();
    const fields = Object.fromEntries(new FormData(form, e.submitter)), cell = form.closest("td"), row = form.closest("tr");
    try {
      const data = await send(form.action, fields);
      if (data.refused) { complain(cell, data.refused); return; }
      const after = row.nextElementSibling;
      if ("drop" in form.dataset) row.remove();
      show(data); said.textContent = data.sentence || words.saved;
      ($(`tr[data-row="${row.dataset.row}"] [data-edit]`, table) || (after && $("[data-edit]", after)))?.focus();
    } catch { complain(cell, words.offline); }
  });

  // 逐行导入: one request per row, in the order of the file, over the pages of the preview; stopping keeps what is done.
  const start = $("[data-rows-start]"), stop = $("[data-rows-stop]");
  if (!start) return;
  let going = false, made = 0;
  start.hidden = false;
  const run = async () => {
    going = true; start.hidden = true; stop.hidden = false;
    for (const tr of $$("tr[data-row]", table)) {
      if (!going) break;
      if (tr.dataset.outcome === "created") continue;
      said.classList.remove("sr"); said.textContent = words.row.replace("{n}", $("td", tr).textContent.replace(/\D/g, ""));
      tr.scrollIntoView({ block: "nearest" });
      try {
        const data = await send(`${base}/rows/${tr.dataset.row}`, {});
        if (data.refused) { complain(tr.cells[1], data.refused); continue; }
        show(data);
        if ($(`tr[data-row="${tr.dataset.row}"]`, table).dataset.outcome === "created") made += 1;
      } catch { complain(tr.cells[1], words.offline); going = false; }
    }
    const next = $("nav.pager a[rel=next]");
    if (going && next) { sessionStorage.setItem(`rows:${table.dataset.import}`, String(made)); location.href = next.href; return; }
    said.textContent = (going ? words.finished : words.stopped).replace("{n}", made);
    sessionStorage.removeItem(`rows:${table.dataset.import}`);
    going = false; stop.hidden = true; start.hidden = false;
  };
  start.addEventListener("click", run);
  stop.addEventListener("click", () => { going = false; });
  const kept = sessionStorage.getItem(`rows:${table.dataset.import}`);
  if (kept !== null) { made = Number(kept); run(); }
})();
