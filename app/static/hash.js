// The fingerprint of a chosen file, computed here; only the 64 signs go to the server. Browsers offer this on https and localhost.
"use strict";
(() => {
  const box = document.querySelector("[data-hash-file]");
  if (!box || !window.crypto?.subtle) return;
  const input = box.querySelector("input"), said = box.querySelector("[data-hash-said]");
  box.hidden = false;
  input.addEventListener("change", async () => {
    const file = input.files[0];
    if (!file) return;
    said.textContent = said.dataset.working;
    try {
      const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", await file.arrayBuffer()));
      const field = document.getElementById(input.dataset.hashInto);
      field.value = [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
      field.form.submit();
    } catch {
      said.textContent = said.dataset.broken;
    }
  });
})();
