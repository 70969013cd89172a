// Everything the pages do in the browser. No library. Pages stay readable without it.
"use strict";
(() => {
  const $ = (s, root = document) => root.querySelector(s);
  const $$ = (s, root = document) => [...root.querySelectorAll(s)];
  const on = (type, selector, act) => document.addEventListener(type, (e) => {
    const hit = e.target instanceof Element && e.target.closest(selector);
    if (hit) act(e, hit);
  });
  const thousands = (n) => Number(n || 0).toLocaleString("en-US");
  const cookie = (name, value) => { document.cookie = `${name}=${value};path=/;max-age=31536000;SameSite=Lax`; };
  const phone = () => matchMedia("(max-width: 800px)").matches;

  // Side menu: icons only on a desk, drawer on a phone.
  const drawer = (open) => document.body.classList.toggle("drawer", open);
  on("click", "[data-side]", () => {
    if (phone()) { drawer(!document.body.classList.contains("drawer")); $(".side a")?.focus(); return; }
    cookie("side", document.body.classList.toggle("side-mini") ? "mini" : "full");
  });
  on("click", "[data-drawer]", () => drawer(false));

  // Keys: / goes to the search box, Esc closes what is open.
  document.addEventListener("keydown", (e) => {
    const typing = e.target.closest?.("input, textarea, select, [contenteditable]");
    if (e.key === "/" && !typing && !e.ctrlKey && !e.metaKey && $("#site-search")) { e.preventDefault(); $("#site-search").focus(); }
    if (e.key === "Escape") { drawer(false); $$("details.menu[open]").forEach((d) => { d.open = false; }); }
  });
  document.addEventListener("click", (e) => $$("details.menu[open]").forEach((d) => { if (!d.contains(e.target)) d.open = false; }));
  document.addEventListener("toggle", (e) => {  // a menu inside a scrolling table would be cut off: let it float
    const box = e.target.matches?.(".data details.menu") && e.target.open && $(".menu-box", e.target);
    if (!box) return;
    const r = e.target.getBoundingClientRect();
    Object.assign(box.style, { position: "fixed", top: `${r.bottom + 6}px`, right: `${innerWidth - r.right}px` });
  }, true);

  const float = (e, wrap) => {  // a reason inside a scrolling table would be cut off as well
    const r = wrap.getBoundingClientRect(), why = $(".why", wrap);
    if (wrap.closest(".table-wrap") && !phone()) Object.assign(why.style, { position: "fixed", top: `${Math.min(r.bottom + 6, innerHeight - 60)}px`, right: `${innerWidth - r.right}px` });
  };
  on("mouseover", ".why-wrap", float);
  on("focusin", ".why-wrap", float);

  // One dialog asks before steps that need it, and takes the reason.
  const dialog = $("#ask");
  const ask = (text, { reason, step, danger }) => new Promise((resolve) => {
    const box = $("#ask-reason-text"), yes = $("#ask-yes"), wrong = $("#ask-wrong");
    $("#ask-title").textContent = step || dialog.dataset.title || $("#ask-title").textContent;
    $("#ask-text").textContent = text || "";
    $("#ask-reason").hidden = !reason; wrong.hidden = true; box.value = "";
    yes.textContent = step || yes.textContent;
    yes.className = danger ? "btn btn-danger" : "btn btn-primary";
    const check = (e) => { if (reason && !box.value.trim()) { e.preventDefault(); wrong.hidden = false; box.focus(); } };
    yes.addEventListener("click", check);
    dialog.addEventListener("close", () => {
      yes.removeEventListener("click", check);
      resolve(dialog.returnValue === "yes" ? { reason: box.value.trim() } : null);
    }, { once: true });
    dialog.returnValue = "no"; dialog.showModal(); if (reason) box.focus();
  });

  // Submitting: confirm, reason, then once only.
  const put = (form, name, value) => {
    let field = form.elements.namedItem(name);
    if (!field) { field = Object.assign(document.createElement("input"), { type: "hidden", name }); form.append(field); }
    field.value = value;
  };
  // A log-in may have ended while somebody typed: the server would refuse and everything typed would be gone. So it is
  // asked first; the page stays as it is until the same person has logged in again in another tab.
  const watched = (form) => document.body.dataset.account && form.closest("main")
    && (performance.now() > 300000 || $("textarea, select, input:not([type=hidden], [type=checkbox])", form));
  const stillHere = async () => {
    let now;
    try {
      const answer = await fetch("/login/alive", { headers: { Accept: "application/json" } });
      if (!answer.ok || answer.redirected) return true;
      now = await answer.json();
    } catch { return true; }
    if (now.account === document.body.dataset.account) {
      $$("input[name=csrf_token]").forEach((f) => { f.value = now.csrf; });
      return true;
    }
    $("#ended-text").textContent = $("#ended").dataset[now.account ? "other" : "nobody"];
    $("#ended").showModal();
    return false;
  };
  document.addEventListener("submit", async (e) => {
    const form = e.target, button = e.submitter, d = { ...form.dataset, ...(button?.dataset || {}) };
    if (form.method === "dialog" || e.defaultPrevented) return;
    if (form.dataset.sent) { e.preventDefault(); return; }
    if (("confirm" in d || "reason" in d) && !form.dataset.agreed && dialog?.showModal) {
      e.preventDefault();
      const answer = await ask(d.confirm, { reason: "reason" in d, step: d.step, danger: "danger" in d });
      if (!answer) return;
      if ("reason" in d) put(form, "reason", answer.reason);
      form.dataset.agreed = "1";
      form.requestSubmit(button?.form === form ? button : undefined);
      delete form.dataset.agreed;
      return;
    }
    if (form.method === "post" && watched(form) && !form.dataset.alive) {
      e.preventDefault();
      form.dataset.sent = "1"; button?.setAttribute("aria-busy", "true");
      const here = await stillHere();
      delete form.dataset.sent; button?.removeAttribute("aria-busy");
      if (!here) return;
      form.dataset.alive = form.dataset.agreed = "1";
      form.requestSubmit(button?.form === form ? button : undefined);
      delete form.dataset.alive; delete form.dataset.agreed;
    } else if (form.method === "post") {
      form.dataset.sent = "1"; delete form.dataset.changed;
      button?.setAttribute("aria-busy", "true");
    } else if ("filters" in form.dataset) {  // a shorter address: leave empty fields out
      const empty = [...form.elements].filter((f) => f.name && !f.value);
      empty.forEach((f) => { f.disabled = true; });
      setTimeout(() => empty.forEach((f) => { f.disabled = false; }), 50);
    }
  });
  addEventListener("pageshow", () => $$("form[data-sent]").forEach((f) => { delete f.dataset.sent; $$("[aria-busy]", f).forEach((b) => b.removeAttribute("aria-busy")); }));

  // A page that answered a form: coming back to it later shows the step before instead of asking to send the form again.
  $$("[data-address]").forEach((page) => history.replaceState(null, "", page.dataset.address));

  // In a grid of results, Enter goes to the cell below as in a workbook; in a list of readings to the next box.
  on("keydown", ".grid input, #readings input", (e, input) => {
    if (e.key !== "Enter" || e.isComposing) return;
    e.preventDefault();
    const cell = input.closest("td"), row = input.closest("tr"), boxes = $$("#readings input");
    const next = input.closest(".grid") ? $("input", row.nextElementSibling?.cells[cell.cellIndex] || cell) : boxes[boxes.indexOf(input) + 1];
    (next || input).focus(); next?.select?.();
  });

  // Forms: summary gets the focus, a required field is checked on leaving it, leaving with changes warns.
  $("[data-focus]")?.focus();
  on("focusout", "[data-form] .field input, [data-form] .field select, [data-form] .field textarea", (e, input) => {
    const field = input.closest(".field");
    if (!input.required || input.type === "checkbox" || field.closest("[data-quiet]")) return;
    if (e.relatedTarget?.closest("button, a")) return; // a line that appears now would push the button away under the pointer
    const missing = !input.value.trim(), id = `wrong-${input.id}`;
    let note = document.getElementById(id);
    if (missing && !note && field.dataset.touched) {
      note = Object.assign(document.createElement("div"), { id, className: "wrong", textContent: `请填写${field.dataset.field}。` });
      note.dataset.live = "1"; input.before(note); field.classList.add("field-wrong");
    } else if (!missing && note?.dataset.live) { note.remove(); field.classList.remove("field-wrong"); }
  });
  on("input", "[data-form] .field", (e, field) => { field.dataset.touched = "1"; const f = field.closest("form"); if (!("quiet" in f.dataset)) f.dataset.changed = "1"; });
  addEventListener("beforeunload", (e) => { if ($("form[data-changed]")) e.preventDefault(); });
  $$("[data-reveal]").forEach((b) => { b.hidden = false; });
  on("click", "[data-reveal]", (e, b) => {
    const input = document.getElementById(b.dataset.reveal), shown = input.type === "text";
    input.type = shown ? "password" : "text"; b.textContent = shown ? "显示" : "隐藏"; b.setAttribute("aria-pressed", String(!shown));
  });
  on("change", "input[type=file][data-preview]", (e, input) => {
    const img = document.getElementById(input.dataset.preview), file = input.files[0];
    if (img && file && file.type.startsWith("image/")) { img.src = URL.createObjectURL(file); img.hidden = false; }
  });
  on("change", "form[data-auto] select", (e, s) => s.form.requestSubmit());

  // Filter bar: further conditions fold away; on a phone all but the first do.
  $$("[data-fold]").forEach((b) => {
    const form = b.form, box = $(".filter-more", form);
    const show = (open) => {
      if (box) box.hidden = !open;
      form.classList.toggle("folded", !open); b.setAttribute("aria-expanded", String(open));
    };
    b.hidden = !(box || phone()); show(b.getAttribute("aria-expanded") === "true");
    b.addEventListener("click", () => show(form.classList.contains("folded")));
  });

  // Lists: tick, bulk bar, columns, and the way back to the list as it was.
  const ticks = (name) => $$(`[data-tick="${name}"]`);
  const refresh = (name) => {
    const bar = $(`[data-bulk="${name}"]`), picked = ticks(name).filter((t) => t.checked);
    if (!bar) return;
    const all = $(`[data-tick-all="${name}"]`);
    all.checked = picked.length > 0 && picked.length === ticks(name).length; all.indeterminate = picked.length > 0 && !all.checked;
    bar.hidden = !picked.length; $("[data-n]", bar).textContent = picked.length;
    bar.elements.all.value = ""; const more = $("[data-all]", bar); if (more) { more.disabled = false; more.textContent = more.dataset.word ??= more.textContent; }
  };
  on("change", "[data-tick-all]", (e, box) => { ticks(box.dataset.tickAll).forEach((t) => { t.checked = box.checked; }); refresh(box.dataset.tickAll); });
  on("change", "[data-tick]", (e, box) => refresh(box.dataset.tick));
  on("click", "[data-none]", (e, b) => { const name = b.form.dataset.bulk; ticks(name).forEach((t) => { t.checked = false; }); refresh(name); });
  on("click", "[data-all]", (e, b) => { b.dataset.word ??= b.textContent; b.form.elements.all.value = "1"; b.textContent = b.dataset.all; b.disabled = true; });
  $$("[data-bulk]").forEach((bar) => refresh(bar.dataset.bulk));
  if ($("table[data-table]")) sessionStorage.setItem(`list:${location.pathname}`, location.search);
  $$("a[data-back]").forEach((a) => { const was = sessionStorage.getItem(`list:${a.pathname}`); if (was && !a.search) a.search = was; });
  $$("[data-history-back]").forEach((b) => { b.hidden = history.length < 2; b.addEventListener("click", () => history.back()); });

  // Tabs of a detail page: panels below one another without a script, one at a time with it.
  $$("[data-tabs]").forEach((list) => {
    const tabs = $$("[role=tab]", list);
    const show = (tab) => tabs.forEach((t) => {
      t.setAttribute("aria-selected", String(t === tab)); t.tabIndex = t === tab ? 0 : -1;
      document.getElementById(t.getAttribute("aria-controls")).hidden = t !== tab;
    });
    list.hidden = false; show(document.getElementById(`tab-${location.hash.slice(1)}`) || tabs[0]);
    list.addEventListener("click", (e) => { const t = e.target.closest("[role=tab]"); if (t) { show(t); history.replaceState(null, "", `#${t.id.slice(4)}`); } });
    list.addEventListener("keydown", (e) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[e.key], at = tabs.indexOf(document.activeElement);
      if (step && at >= 0) { const t = tabs[(at + step + tabs.length) % tabs.length]; show(t); t.focus(); }
    });
  });

  // A select that asks the server (combobox): the <select> stays and carries the value.
  const remote = (select) => {
    const box = document.createElement("span"), input = document.createElement("input"), list = document.createElement("ul"), clear = document.createElement("button");
    const id = `${select.id}-box`; let timer, page = 1, active = -1, asked = 0;
    box.className = "remote"; select.before(box); box.append(input, clear, list, select);
    Object.assign(input, { type: "text", id, autocomplete: "off", placeholder: select.dataset.placeholder || "输入名称查找", className: "remote-box" });
    const about = { role: "combobox", "aria-autocomplete": "list", "aria-expanded": "false", "aria-controls": `${id}-list` };
    for (const [k, v] of Object.entries(about)) input.setAttribute(k, v);
    for (const k of ["aria-describedby", "aria-invalid", "aria-label"]) if (select.hasAttribute(k)) input.setAttribute(k, select.getAttribute(k));
    document.querySelector(`label[for="${select.id}"]`)?.setAttribute("for", id);
    if (select.required) { input.required = true; select.required = false; }
    list.id = `${id}-list`; list.className = "remote-list"; list.hidden = true; list.setAttribute("role", "listbox");
    clear.type = "button"; clear.className = "remote-clear"; clear.textContent = "×"; clear.setAttribute("aria-label", "清除选择");
    select.hidden = true;
    const chosen = () => select.selectedOptions[0], settle = () => { input.value = chosen()?.textContent.trim() || ""; clear.hidden = !select.value; };
    const close = () => { list.hidden = true; active = -1; input.setAttribute("aria-expanded", "false"); input.removeAttribute("aria-activedescendant"); };
    const choose = (value, text) => {
      select.replaceChildren(new Option("", ""), ...(value ? [new Option(text, value, true, true)] : []));
      settle(); close(); select.dispatchEvent(new Event("change", { bubbles: true }));
    };
    const note = (text) => { const li = document.createElement("li"); li.className = "note"; li.textContent = text; list.append(li); return li; };
    const mark = (n) => {
      const items = $$("[role=option]", list); if (!items.length) return;
      active = (n + items.length) % items.length;
      items.forEach((li, i) => li.setAttribute("aria-selected", String(i === active)));
      items[active].scrollIntoView({ block: "nearest" }); input.setAttribute("aria-activedescendant", items[active].id);
    };
    const find = async (next) => {
      page = next ? page + 1 : 1; const ticket = ++asked;
      const term = input.value === (chosen()?.textContent.trim() || "") ? "" : input.value;
      const url = new URL(select.dataset.url, location.href); url.searchParams.set("term", term); url.searchParams.set("page", page);
      list.hidden = false; input.setAttribute("aria-expanded", "true");
      try {
        const answer = await fetch(url, { headers: { Accept: "application/json" } });
        if (!answer.ok || answer.redirected) throw new Error(answer.status);
        const data = await answer.json(); if (ticket !== asked) return;
        if (!next) { list.replaceChildren(); active = -1; } else $(".note", list)?.remove();
        data.results.forEach((r) => {
          const li = document.createElement("li"); li.textContent = r.text; li.id = `${id}-${list.children.length}`;
          li.setAttribute("role", "option"); li.setAttribute("aria-selected", "false");
          li.addEventListener("mousedown", (e) => { e.preventDefault(); choose(r.id, r.text); }); list.append(li);
        });
        if (data.pagination.more) note("显示更多").addEventListener("mousedown", (e) => { e.preventDefault(); find(true); });
        if (!list.children.length) note("没有找到，换几个字试试");
      } catch { if (ticket === asked) { list.replaceChildren(); note("暂时查不到，请稍后再试"); } }
    };
    input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(() => find(false), 250); });
    input.addEventListener("focus", () => { input.select(); });
    input.addEventListener("click", () => { if (list.hidden) find(false); });
    input.addEventListener("blur", () => { close(); if (!input.value.trim() && select.value) choose("", ""); else settle(); });
    input.addEventListener("keydown", (e) => {
      if (e.key === "ArrowDown" || e.key === "ArrowUp") { e.preventDefault(); if (list.hidden) find(false); else mark(active + (e.key === "ArrowDown" ? 1 : -1)); }
      if (e.key === "Enter" && !list.hidden && active >= 0) { e.preventDefault(); $$("[role=option]", list)[active].dispatchEvent(new MouseEvent("mousedown", { cancelable: true })); }
      if (e.key === "Escape" && !list.hidden) { e.stopPropagation(); close(); settle(); }
    });
    clear.addEventListener("click", () => { choose("", ""); input.focus(); });
    settle();
  };
  $$("select.remote-select").forEach(remote);

  // A job: ask every second, slower after failures; the page can be left and opened again.
  $$("[data-job]").forEach((card) => {
    const words = JSON.parse(card.dataset.words), at = (name) => $(`[data-job-${name}]`, card); let misses = 0;
    const left = (s) => words.left.replace("{t}", s >= 60 ? `${Math.ceil(s / 60)} ${words.minute}` : `${Math.ceil(s)} ${words.second}`);
    const show = (j) => {
      at("state").textContent = words[j.state] || j.state;
      at("state").className = `chip chip-${{ done: "ok", failed: "danger", cancelled: "muted" }[j.state] || "info"}`;
      for (const key of ["total", "skipped", "failed"]) at(key).textContent = thousands(j[key]);
      $$("[data-job-done]", card).forEach((n) => { n.textContent = thousands(j.done); });
      Object.assign($("progress", card), { max: j.total || 1, value: j.state === "done" ? (j.total || 1) : j.done || 0 });
      at("left").textContent = j.state === "running" && j.left_seconds ? left(j.left_seconds) : "";
      at("message").textContent = j.message || "";
      at("error").hidden = !j.error; at("error").textContent = j.error || "";
      if (j.result_url) { at("result").href = j.result_url; at("result").hidden = false; }
      if (at("cancel")) at("cancel").hidden = !["queued", "running"].includes(j.state);
      return ["queued", "running"].includes(j.state);
    };
    const poll = async () => {
      let going = true;
      try {
        const answer = await fetch(card.dataset.job, { headers: { Accept: "application/json" } });
        if (!answer.ok) throw new Error(answer.status);
        misses = 0; going = show(await answer.json());
      } catch { misses += 1; at("message").textContent = words.offline; }
      if (going && misses < 60) setTimeout(poll, Math.min(1000 * (1 + misses), 15000));
    };
    poll();
  });

  // Places: choosing one loads the next level; the last one loads the institutes.
  const fill = async (select) => {
    const target = document.getElementById(select.dataset.loads), none = $("[data-none-near]"), first = "first" in target.dataset;
    let rows = [];
    if (select.value) {
      try {
        const answer = await fetch(select.dataset.url + encodeURIComponent(select.value), { headers: { Accept: "application/json" } });
        if (answer.ok) rows = (await answer.json()).results;
      } catch { rows = []; }
    }
    target.replaceChildren(new Option("请选择", ""), ...rows.map((r) => new Option(r.text, r.id)));
    if (rows.length === 1 || (first && rows.length)) target.value = rows[0].id;
    if (first && none) none.hidden = !select.value || rows.length > 0;
    if (target.dataset.loads) await fill(target);
  };
  on("change", "select[data-loads]", (e, select) => fill(select));

  // A code by mail: sent without leaving the form, again after a minute.
  on("click", "[data-code]", async (e, button) => {
    e.preventDefault();
    const note = $("[data-code-note]"), word = button.dataset.word ??= button.textContent, form = button.form;
    const say = (text, wrong) => { note.textContent = text; note.classList.toggle("wrong", wrong); };
    if (button.disabled) return;
    // what the code is sent to, and the captcha; data-code-form sends every input that is no secret
    const body = new FormData(), names = ["captcha", "captcha_token", ...button.dataset.code.split(" ")];
    for (const [name, value] of new FormData(form)) {
      const secret = typeof value !== "string" || form.elements.namedItem(name)?.type === "password";
      if (!secret && (names.includes(name) || "codeForm" in button.dataset)) body.set(name, value);
    }
    button.disabled = true; let left = 0;
    try {
      const headers = { Accept: "application/json", "X-CSRFToken": form.elements.namedItem("csrf_token").value };
      const answer = await fetch(button.formAction, { method: "POST", body, headers }), data = await answer.json();
      say(data.message || data.error, !answer.ok); left = data.seconds || 0;
      if (answer.status === 422 || "codeAgain" in button.dataset) $("[data-captcha-again]", form)?.click(); // a captcha is used up by a try
    } catch { say("暂时发送不了，请稍后再试。", true); }
    const tick = () => {
      if (left <= 0 || left > 600) { button.disabled = false; button.textContent = word; return; }
      button.textContent = button.dataset.wait.replace("{n}", left); left -= 1; setTimeout(tick, 1000);
    };
    tick();
  });

  // Inputs that belong to one choice of a radio group are shown with that choice.
  const choose = (group) => {
    const name = group.dataset.switch, chosen = $("input:checked", group)?.value;
    for (const part of $$(`[data-when="${name}"]`)) part.hidden = part.dataset.value !== chosen;
  };
  $$("[data-switch]").forEach(choose);
  on("change", "[data-switch]", (e, group) => choose(group));

  // 上传类型: what the file input offers follows the radio before it.
  const pick = (radio) => { const file = document.getElementById(radio.dataset.file); if (file) file.accept = radio.dataset.accept; };
  $$("[data-accept]:checked").forEach(pick);
  on("change", "[data-accept]", (e, radio) => pick(radio));

  // Captcha: another picture, or its sound, without leaving the form.
  on("click", "[data-captcha-again]", async (e, link) => {
    e.preventDefault();
    const box = link.closest("[data-captcha]"), form = box.closest("form"), body = new FormData();
    body.set("action", box.dataset.captcha);
    try {
      const headers = { Accept: "application/json", "X-CSRFToken": form.elements.namedItem("csrf_token").value };
      const answer = await fetch("/captcha/again", { method: "POST", body, headers });
      if (!answer.ok) throw new Error(answer.status);
      const { token } = await answer.json(), sound = $("[data-captcha-sound]", box), answered = $("input[name=captcha]", box);
      $("input[name=captcha_token]", box).value = token;
      $("img", box).src = `/captcha/${token}.png`; sound.href = `/captcha/${token}.wav`; sound.hidden = false;
      $("audio", box)?.remove(); answered.value = ""; answered.focus();
    } catch { location.reload(); }
  });
  on("click", "[data-captcha-sound]", (e, link) => {
    e.preventDefault();
    const player = Object.assign(document.createElement("audio"), { controls: true, src: link.href });
    link.after(player); link.hidden = true; player.play().catch(() => {});
  });
})();
