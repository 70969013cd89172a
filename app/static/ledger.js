// The ledger's pages: two selects for the catalogue, one field checked on leaving it, a job page that goes on by itself.
"use strict";
(() => {
  document.querySelectorAll("select[data-levels]").forEach((second) => {
    const groups = [...second.querySelectorAll("optgroup")], blank = second.options[0];
    const first = document.createElement("select"), chosen = second.selectedOptions[0]?.parentElement;
    first.id = `${second.id}-level1`; first.setAttribute("aria-label", second.dataset.levels); first.disabled = second.disabled;
    first.append(new Option(second.dataset.levels, ""), ...groups.map((g) => new Option(g.label, g.label)));
    const show = () => {
      const group = groups.find((g) => g.label === first.value), kept = second.value;
      second.replaceChildren(blank, ...(group ? [...group.children].map((o) => o.cloneNode(true)) : []));
      blank.textContent = group ? blank.dataset.word ??= blank.textContent : second.dataset.first;
      second.value = kept; if (second.selectedIndex < 0) second.value = "";
      if (group && group.children.length === 1) second.selectedIndex = 1;
      second.dispatchEvent(new Event("change", { bubbles: true }));
    };
    blank.dataset.word = blank.textContent;
    second.groupOf = new Map(groups.flatMap((g) => [...g.children].map((o) => [o.value, g.label]))); // for proposals, see instrument.js
    first.value = chosen?.label || ""; second.before(first, " "); show();
    first.addEventListener("change", show);
  });

  document.querySelectorAll("[data-check]").forEach((place) => {
    const form = place.querySelector("form");
    const ask = async (input) => {
      const field = input.closest(".field"), name = input.name || field?.querySelector("select[name]")?.name;
      if (!field || !name || !field.dataset.touched) return;
      const data = new FormData(form); data.set("field", name);
      try {
        const answer = await fetch(place.dataset.check, { method: "POST", body: data, headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const { problem } = await answer.json(), id = `wrong-${name}`; let note = document.getElementById(id);
        if (!problem) { if (note?.dataset.asked) { note.remove(); field.classList.remove("field-wrong"); } return; }
        if (!note) { note = Object.assign(document.createElement("div"), { id, className: "wrong" }); input.before(note); }
        note.dataset.asked = "1"; delete note.dataset.live; note.textContent = problem; field.classList.add("field-wrong");
      } catch { /* the check on saving says the same */ }
    };
    form.addEventListener("focusout", (e) => { if (e.target.matches("input, select, textarea")) ask(e.target); });
  });

  // The result is on the same address: open it when the job says that it is there.
  document.querySelectorAll("[data-follow]").forEach((place) => {
    const link = place.querySelector("[data-job-result]");
    new MutationObserver(() => { if (!link.hidden) location.replace(link.href); }).observe(link, { attributes: true });
  });
})();
