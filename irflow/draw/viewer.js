"use strict";
(function () {
  const stage = document.getElementById("stage");
  const note = document.getElementById("note");
  const found = document.getElementById("found");
  const svg = stage.querySelector("svg");
  const whole = svg.viewBox.baseVal;
  const full = { x: 0, y: 0, width: whole.width, height: whole.height };
  const nodes = new Map();
  const nets = [...svg.querySelectorAll(".net")];
  let view = full;
  let pinned = null;

  svg.removeAttribute("width");
  svg.removeAttribute("height");
  for (const node of svg.querySelectorAll(".node")) nodes.set(node.dataset.id, node);

  // The text of tooltips is shown in the note; the browser's own would cover the graph.
  for (const part of [...nodes.values(), ...nets]) {
    const title = part.querySelector(":scope > title");
    part.dataset.details = title.textContent;
    title.remove();
    part.setAttribute("aria-label", part.dataset.details);
  }

  function show(next) {
    view = next;
    svg.setAttribute("viewBox", `${view.x} ${view.y} ${view.width} ${view.height}`);
  }

  function scale() {
    return Math.max(view.width / stage.clientWidth, view.height / stage.clientHeight);
  }

  // A first view in which text can be read: the whole width when that is enough, from the top.
  function start() {
    const width = Math.min(Math.max(full.width, stage.clientWidth), stage.clientWidth * 1.6);
    const height = (width * stage.clientHeight) / stage.clientWidth;
    show({ x: (full.width - width) / 2, y: 0, width, height });
  }

  function zoom(factor, x, y) {
    const size = scale() * factor;
    if (size > 60 || size < 0.05) return;
    show({
      x: x - (x - view.x) * factor,
      y: y - (y - view.y) * factor,
      width: view.width * factor,
      height: view.height * factor,
    });
  }

  function zoomCenter(factor) {
    zoom(factor, view.x + view.width / 2, view.y + view.height / 2);
  }

  function pointOf(event) {
    const point = new DOMPoint(event.clientX, event.clientY);
    return point.matrixTransform(svg.getScreenCTM().inverse());
  }

  function mark(part) {
    for (const old of svg.querySelectorAll(".near, .here")) old.classList.remove("near", "here");
    svg.classList.toggle("active", part !== null);
    note.textContent = part === null ? "" : part.dataset.details;
    if (part === null) return;
    part.classList.add("near", "here");
    const id = part.dataset.id;
    const origin = part.dataset.origin;
    for (const node of nodes.values()) {
      const isSame = origin !== undefined && node.dataset.origin === origin;
      if (isSame || node.dataset.id === origin || (id !== undefined && node.dataset.origin === id)) {
        node.classList.add("near", "here");
      }
    }
    const touched = nets.filter(
      (net) => net === part || net.dataset.from === id || net.dataset.to.split(" ").includes(id),
    );
    for (const net of touched) {
      net.classList.add("near");
      const ends = net === part || net.dataset.from === id ? net.dataset.to.split(" ") : [];
      for (const end of [net.dataset.from, ...ends]) nodes.get(end).classList.add("near");
    }
    for (const inner of part.querySelectorAll(".node, .net")) inner.classList.add("near");
  }

  function partOf(event) {
    return event.target.closest ? event.target.closest(".node, .net") : null;
  }

  let drag = null;
  stage.addEventListener("pointerdown", (event) => {
    drag = { x: event.clientX, y: event.clientY, view, moved: false };
    stage.setPointerCapture(event.pointerId);
  });
  stage.addEventListener("pointermove", (event) => {
    if (drag === null) return;
    const dx = event.clientX - drag.x;
    const dy = event.clientY - drag.y;
    drag.moved = drag.moved || Math.hypot(dx, dy) > 4;
    if (!drag.moved) return;
    stage.classList.add("moving");
    const size = scale();
    show({ ...drag.view, x: drag.view.x - dx * size, y: drag.view.y - dy * size });
  });
  stage.addEventListener("pointerup", (event) => {
    stage.classList.remove("moving");
    if (drag !== null && !drag.moved) {
      const under = document.elementFromPoint(event.clientX, event.clientY);
      const part = under && under.closest ? under.closest(".node, .net") : null;
      pinned = part === pinned ? null : part;
      mark(pinned);
    }
    drag = null;
  });
  svg.addEventListener("pointerover", (event) => {
    if (pinned === null && drag === null) mark(partOf(event));
  });
  stage.addEventListener("pointerleave", () => {
    if (pinned === null && drag === null) mark(null);
  });
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.shiftKey) {
        show({ ...view, x: view.x + (event.deltaX || event.deltaY) * scale() });
        return;
      }
      const point = pointOf(event);
      zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) / 240), point.x, point.y);
    },
    { passive: false },
  );

  function find(text) {
    const wanted = text.trim().toLowerCase();
    let count = 0;
    let first = null;
    for (const node of nodes.values()) {
      const own = [...node.querySelectorAll(":scope > text")].map((line) => line.textContent);
      const content = `${own.join(" ")} ${node.dataset.details}`.toLowerCase();
      const matches = wanted !== "" && content.includes(wanted);
      node.classList.toggle("match", matches);
      count += matches;
      if (matches && first === null) first = node;
    }
    found.textContent = wanted === "" ? "" : `${count} found`;
    return first;
  }

  function center(node) {
    const own = node.querySelector("rect, circle").getBoundingClientRect();
    const middle = pointOf({
      clientX: own.left + own.width / 2,
      clientY: own.top + Math.min(own.height / 2, stage.clientHeight / 3),
    });
    show({ ...view, x: middle.x - view.width / 2, y: middle.y - view.height / 2 });
  }

  const field = document.getElementById("find");
  field.addEventListener("input", () => find(field.value));
  field.addEventListener("keydown", (event) => {
    event.stopPropagation();
    if (event.key !== "Enter") return;
    const first = find(field.value);
    if (first !== null) center(first);
  });

  const actions = {
    in: () => zoomCenter(0.8),
    out: () => zoomCenter(1.25),
    fit: () => show(full),
    top: start,
  };
  for (const [name, action] of Object.entries(actions)) {
    document.getElementById(name).addEventListener("click", action);
  }
  const keys = {
    "+": actions.in,
    "=": actions.in,
    "-": actions.out,
    0: actions.fit,
    Home: actions.top,
    Escape: () => mark((pinned = null)),
    ArrowLeft: () => show({ ...view, x: view.x - view.width / 10 }),
    ArrowRight: () => show({ ...view, x: view.x + view.width / 10 }),
    ArrowUp: () => show({ ...view, y: view.y - view.height / 10 }),
    ArrowDown: () => show({ ...view, y: view.y + view.height / 10 }),
  };
  document.addEventListener("keydown", (event) => {
    const action = keys[event.key];
    if (!action || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    action();
  });
  start();
})();
