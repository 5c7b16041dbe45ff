// Filters and sorts the table. Without it the page is whole, failures first.
(() => {
  "use strict";
  const form = document.getElementById("controls");
  const filter = document.getElementById("filter");
  const table = document.getElementById("copies");
  const body = table.tBodies[0];
  const rows = [...body.rows].map((row, place) => ({ row, place, status: row.className, text: row.textContent.toLowerCase() + [...row.querySelectorAll("[title]")].map((e) => e.title).join(" ") }));

  const show = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const statuses = new Set([...form.querySelectorAll("[name=status]:checked")].map((box) => box.value));
    let shown = 0;
    for (const { row, status, text } of rows) {
      const wanted = statuses.has(status) && words.every((word) => text.includes(word));
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
