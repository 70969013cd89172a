// Entering an instrument: what the rule table proposes beside the fields, and one press that cures a mistake.
// Everything here also holds without script: the server judges the same rules on saving.
"use strict";
(() => {
  document.querySelectorAll("[data-check]").forEach((place) => {
    const form = place.querySelector("form"), words = place.dataset;
    if (!form) return;
    const field = (name) => form.querySelector(`[name="${CSS.escape(name)}"]`);
    const box = (name) => field(name)?.closest(".field");
    const line = (name, kind) => {
      const home = box(name); if (!home) return null;
      let note = home.querySelector(`.said-${kind}`);
      if (!note) { note = document.createElement("div"); note.className = `hint said-${kind}`; note.setAttribute("role", "status"); home.append(note); }
      note.replaceChildren(); return note;
    };
    const put = (name, value) => {
      const input = field(name); if (!input || input.disabled) return;
      const first = document.getElementById(`${input.id}-level1`);
      if (first) { // two selects: open the group first
        const group = input.groupOf?.get(value);
        if (group) { first.value = group; first.dispatchEvent(new Event("change", { bubbles: true })); }
      }
      input.value = value;
      input.dispatchEvent(new Event("change", { bubbles: true })); input.dispatchEvent(new FocusEvent("focusout", { bubbles: true }));
    };
    const button = (text, press) => {
      const made = document.createElement("button"); made.type = "button"; made.className = "btn btn-small"; made.textContent = text;
      made.addEventListener("click", press); return made;
    };

    // -- one field's note and cure, asked on leaving it --
    form.addEventListener("focusout", async (event) => {
      const input = event.target, name = input.name || input.closest(".field")?.querySelector("select[name]")?.name;
      if (!name || !box(name) || name.startsWith("nozzle_")) return;
      const data = new FormData(form); data.set("field", name); data.delete("attachments");
      try {
        const answer = await fetch(words.check, { method: "POST", body: data, headers: { Accept: "application/json" } });
        if (!answer.ok) return;
        const { note, cure } = await answer.json(), told = line(name, "note");
        if (!told) return;
        if (note) told.append(note, " ");
        if (cure && field(name).value !== cure.value) told.append(button((words.wordCure || "{value}").replace("{value}", cure.label), () => put(name, cure.value)));
      } catch { /* the check on saving says the same */ }
    });

    // -- the rule table --
    if (!words.guide) return;
    const proposed = {};
    const fill = (name, value) => {
      const input = field(name); if (!input || !value || input.disabled) return;
      if (input.value && input.value !== proposed[name]) return; // what a person chose stays
      proposed[name] = value; if (input.value !== value) put(name, value);
    };
    const show = (found) => {
      for (const name of ["name", "category", "model", "measuring_range", "accuracy_class", "serial_no", "delivery_mode"]) line(name, "rule");
      if (!found.rule) return;
      if (found.category) fill("category", found.category);
      fill("delivery_mode", found.delivery_mode); fill("purpose", found.purpose);
      if (found.delivery_note) line("delivery_mode", "rule")?.append(found.delivery_note);
      if (found.emphasis) line("name", "rule")?.append(found.emphasis);
      const help = Object.assign(document.createElement("a"), { href: found.help, target: "_blank", rel: "noopener", textContent: words.wordHelp });
      const second = line("category", "rule");
      if (second) { if (found.options.length > 1) second.append(found.options.join(" / "), " "); second.append(help); }
      for (const [name, text] of Object.entries(found.examples)) line(name, "rule")?.append(words.wordExample + text);
    };
    let asked = "";
    const ask = async () => {
      const query = new URLSearchParams({ name: field("name")?.value || "", category: field("category")?.value || "" }).toString();
      if (query === asked) return; asked = query;
      try { const answer = await fetch(`${words.guide}?${query}`); if (answer.ok) show(await answer.json()); } catch { /* only a proposal */ }
    };
    for (const name of ["name", "category"]) field(name)?.addEventListener("change", ask);
    ask();
  });
})();
