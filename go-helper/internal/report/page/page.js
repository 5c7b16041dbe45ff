// Filters and sorts the table. Without it the page is whole, failures first.
(() => {
  "use strict";
  const form = document.getElementById("controls");
  const filter = document.getElementById("filter");
  const table = document.getElementById("copies");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({ row, place, status: row.className }));
  // What a filter looks in is read when there is one: it would hold up the first picture of thousands of rows.
  const textOf = (r) => (r.text ??= [r.row.textContent, ...[...r.row.querySelectorAll("[title]")].map((e) => e.title)].join(" ").toLowerCase());

  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = new Set([...form.querySelectorAll("[name=status]:checked")].map((box) => box.value));
    let shown = 0;
    for (const r of rows) {
      const { row, status } = r;
      const wanted = statuses.has(status) && words.every((word) => textOf(r).includes(word));
      if (row.hidden === wanted) row.hidden = !wanted;
      if (wanted) shown++;
    }
    document.getElementById("shown").value = `${shown} of ${rows.length}`;
    document.getElementById("none").hidden = shown > 0;
  };

  const order = new Intl.Collator("en", { numeric: true }).compare;
  const sort = (head, column) => {
    const down = head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const key = ({ row }) => row.cells[column].dataset.sort ?? row.cells[column].textContent;
    const keyed = rows.map((r) => ({ r, key: key(r) }));
    keyed.sort((a, b) => (down ? order(b.key, a.key) : order(a.key, b.key)) || a.r.place - b.r.place);
    body.append(...keyed.map(({ r }) => r.row));
  };

  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    button.addEventListener("click", () => sort(head, column));
    head.replaceChildren(button);
  });
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && document.activeElement !== filter) {
      event.preventDefault();
      filter.focus();
    } else if (event.key === "Escape" && document.activeElement === filter) {
      filter.value = "";
      show();
    }
  });
  form.hidden = false;
  show();
})();
