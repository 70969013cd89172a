// Tables whose rows are added and removed in the page; without this file the same buttons ask the server.
"use strict";
(() => {
  const next = (name) => {
    const numbers = [...document.querySelectorAll(`[name^="${name}-"]`)].map((f) => Number(f.name.split("-")[1])).filter(Number.isInteger);
    return Math.max(-1, ...numbers) + 1;
  };
  const changed = (form) => { form.dataset.changed = "1"; };
  document.addEventListener("click", (e) => {
    const add = e.target.closest("[data-row-add]"), drop = e.target.closest("[data-row-drop]");
    if (add) {
      e.preventDefault();
      const name = add.dataset.rowAdd, body = document.querySelector(`[data-rows="${name}"] tbody`);
      const html = document.querySelector(`[data-row-template="${name}"]`).innerHTML.replaceAll("__n__", next(name));
      body.insertAdjacentHTML("beforeend", html);
      body.closest("section").querySelector("[data-rows-empty]")?.remove();
      body.lastElementChild.querySelector("input").focus();
      changed(add.form);
    } else if (drop) {
      e.preventDefault();
      const row = drop.closest("[data-row]"), form = drop.form, after = row.nextElementSibling || row.previousElementSibling;
      row.remove(); changed(form);
      (after?.querySelector("input") || form.querySelector("[data-row-add]")).focus();
    }
  });
})();
