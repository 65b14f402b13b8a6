"use strict";
(() => {
  const { nodes, edges } = JSON.parse(document.getElementById("data").textContent);
  const graph = document.getElementById("graph");
  const detail = document.getElementById("detail");
  const WIDTH = 208, HEIGHT = 48, GAP_X = 56, GAP_Y = 16, EDGE = 16;

  // The column of a node is the length of the longest path from a change. The number of rounds is limited because of
  // cycles.
  const hasUpstream = nodes.some((node) => node.class === "upstream");
  const layer = nodes.map((node) => (hasUpstream && node.class !== "upstream" ? 1 : 0));
  for (let round = 0, moved = true; moved && round < nodes.length; round++) {
    moved = false;
    for (const [from, to] of edges) {
      if (!["changed", "upstream"].includes(nodes[to].class) && layer[to] < layer[from] + 1 && layer[from] + 1 < nodes.length) {
        layer[to] = layer[from] + 1;
        moved = true;
      }
    }
  }
  const columns = [];
  nodes.forEach((_, at) => (columns[layer[at]] ??= []).push(at));
  const used = columns.filter(Boolean);
  const tallest = Math.max(1, ...used.map((column) => column.length));
  const place = [];
  used.forEach((column, x) => {
    // Center each column, and sort its nodes by the mean position of the nodes that they read.
    const order = (at) => {
      const read = edges.filter(([, to]) => to === at).map(([from]) => place[from]?.y ?? 0);
      return read.length ? read.reduce((a, b) => a + b, 0) / read.length : 0;
    };
    const sorted = column.map((at) => [at, order(at)]).sort((a, b) => a[1] - b[1] || a[0] - b[0]);
    const top = ((tallest - column.length) * (HEIGHT + GAP_Y)) / 2;
    sorted.forEach(([at], y) => {
      place[at] = { x: EDGE + x * (WIDTH + GAP_X), y: EDGE + top + y * (HEIGHT + GAP_Y) };
    });
  });

  const SVG = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("width", 2 * EDGE + used.length * (WIDTH + GAP_X) - GAP_X);
  svg.setAttribute("height", 2 * EDGE + tallest * (HEIGHT + GAP_Y) - GAP_Y);
  svg.setAttribute("aria-hidden", "true");
  const lines = edges.map(([from, to]) => {
    const a = place[from], b = place[to];
    const path = document.createElementNS(SVG, "path");
    const x1 = a.x + WIDTH, y1 = a.y + HEIGHT / 2, x2 = b.x, y2 = b.y + HEIGHT / 2, bend = Math.max(24, (x2 - x1) / 2);
    path.setAttribute("d", `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`);
    svg.append(path);
    return path;
  });
  graph.append(svg);
  graph.style.height = `${Math.min(640, Number(svg.getAttribute("height")) + 24)}px`;
  const drawn = nodes.map((node, at) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = node.class;
    button.style.left = `${place[at].x}px`;
    button.style.top = `${place[at].y}px`;
    // Exclude the node from keyboard navigation, because the list next to the graph also contains it.
    button.tabIndex = -1;
    button.setAttribute("aria-hidden", "true");
    node.label.split("\n").slice(0, 2).forEach((line, number) => {
      if (number) button.append(document.createElement("br"));
      button.append(line);
    });
    button.title = node.label;
    button.addEventListener("click", () => select(at));
    graph.append(button);
    return button;
  });
  const listed = [...document.querySelectorAll("#list button")];
  listed.forEach((button) => button.addEventListener("click", () => select(Number(button.dataset.node))));
  // The arrow keys move through the list as through a menu.
  document.getElementById("list").addEventListener("keydown", (event) => {
    const at = listed.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1, Home: 1, End: -1 }[event.key];
    if (at < 0 || !step) return;
    let next = { Home: 0, End: listed.length - 1 }[event.key] ?? at + step;
    while (listed[next]?.parentElement.hidden) next += step;
    if (listed[next]) {
      event.preventDefault();
      listed[next].focus();
    }
  });

  const element = (name, text, into) => {
    const made = document.createElement(name);
    if (text !== undefined) made.textContent = text;
    into.append(made);
    return made;
  };
  function select(at, column = place[at].x - (graph.clientWidth - WIDTH) / 2) {
    const node = nodes[at];
    [...drawn, ...listed].forEach((button) => button.setAttribute("aria-pressed", "false"));
    [drawn[at], listed[at]].forEach((button) => button?.setAttribute("aria-pressed", "true"));
    lines.forEach((line, number) => line.classList.toggle("on", edges[number].includes(at)));
    // Scroll only the graph and not the page.
    graph.scrollTo(column, place[at].y - (graph.clientHeight - HEIGHT) / 2);
    detail.replaceChildren();
    const [name, kind] = node.label.split("\n");
    element("h3", name, detail);
    if (kind) element("p", kind, detail).className = "said";
    if (node.grade) element("span", node.grade, detail).className = `grade ${node.class}`;
    if (node.reason) element("p", node.reason.replaceAll("`", ""), detail);
    if (node.path) element("p", node.path.join(" → "), detail).className = "said";
    if (node.description) element("p", node.description, detail);
    if (node.formulas.length) {
      element("h4", "Formulas", detail);
      element("pre", node.formulas.map(([name, formula]) => `${name} = ${formula}`).join("\n"), detail);
    }
    if (node.tests.length) {
      element("h4", "Tests", detail);
      const list = element("ul", undefined, detail);
      node.tests.forEach(([name, status]) => element("li", `${name}: ${status}`, list));
    }
    if (node.sql) {
      element("h4", "SQL", detail);
      element("pre", node.sql, detail);
    }
    if (node.file) element("p", node.file, detail).className = "said";
  }
  // At first, show the left side of the graph, which contains the nodes that the change reads.
  if (nodes.length) select(0, 0);

  // Filter rows and nodes by words that they must contain. The filter exists only if there are many rows.
  const rows = [...document.querySelectorAll("tbody tr")];
  if (rows.length > 5) {
    const label = document.createElement("label");
    label.className = "filter";
    label.append("Filter");
    const input = element("input", undefined, label);
    input.type = "search";
    input.placeholder = "name, grade, reason or owner";
    const count = element("span", undefined, label);
    count.className = "said";
    count.setAttribute("role", "status");
    input.addEventListener("input", () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const holds = (text) => words.every((word) => text.toLowerCase().includes(word));
      rows.forEach((row) => (row.hidden = !holds(row.textContent)));
      listed.forEach((button) => (button.parentElement.hidden = !holds(button.textContent)));
      count.textContent = words.length ? `${rows.filter((row) => !row.hidden).length} of ${rows.length}` : "";
    });
    document.querySelector("table").closest(".wide").before(label);
  }
})();
