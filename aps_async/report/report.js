(() => {
  "use strict";
  const body = document.querySelector("tbody");
  const rows = [...body.rows];
  const search = document.getElementById("search");
  const shown = document.getElementById("shown");
  const none = document.getElementById("none");
  const chips = [...document.querySelectorAll(".chip")];
  const headings = [...document.querySelectorAll("th[aria-sort]")];
  const plain = (text) => text.normalize("NFKD").replace(/\p{M}/gu, "").toLowerCase();
  const texts = rows.map((row) => plain([...row.cells].map((cell) => cell.textContent).join(" ")));
  const collator = new Intl.Collator(undefined, { numeric: true });

  function filter() {
    const words = plain(search.value).split(/\s+/).filter(Boolean);
    const states = chips.filter((chip) => chip.ariaPressed === "true").map((chip) => chip.dataset.state);
    let count = 0;
    rows.forEach((row, at) => {
      const matches = words.every((word) => texts[at].includes(word));
      row.hidden = !matches || (states.length > 0 && !states.includes(row.className));
      count += !row.hidden;
    });
    none.hidden = count > 0 || rows.length === 0;
    const all = `${rows.length.toLocaleString("en")} ${rows.length === 1 ? "sheet" : "sheets"}`;
    shown.textContent = count === rows.length ? all : `${count.toLocaleString("en")} of ${all}`;
  }

  function sort(heading) {
    const column = heading.cellIndex;
    const down = heading.ariaSort === "ascending";
    const key = (row) => row.cells[column].dataset.key ?? row.cells[column].textContent;
    const keyed = rows.map((row) => [key(row), row]);
    keyed.sort(([one], [other]) => (one === "") - (other === "")
      || (down ? -1 : 1) * collator.compare(one, other));
    headings.forEach((each) => { each.ariaSort = "none"; });
    heading.ariaSort = down ? "descending" : "ascending";
    body.append(...keyed.map(([, row]) => row));
    shown.textContent = `Sorted by ${heading.textContent.toLowerCase()}, ${heading.ariaSort}`;
  }

  search.disabled = false;
  search.addEventListener("input", filter);
  chips.forEach((chip) => chip.addEventListener("click", () => {
    chip.ariaPressed = String(chip.ariaPressed !== "true");
    filter();
  }));
  headings.forEach((heading) => {
    const button = heading.querySelector("button");
    button.disabled = false;
    button.addEventListener("click", () => sort(heading));
  });
  addEventListener("beforeprint", () => {
    document.querySelectorAll("img").forEach((image) => { image.loading = "eager"; });
  });
  // A link to a row that the search hides.
  addEventListener("hashchange", () => {
    const row = document.getElementById(location.hash.slice(1));
    if (row && row.hidden) {
      search.value = "";
      chips.forEach((chip) => { chip.ariaPressed = "false"; });
      filter();
      row.scrollIntoView();
    }
  });
  filter();
})();
