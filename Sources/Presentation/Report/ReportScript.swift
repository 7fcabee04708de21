// SPDX-License-Identifier: Apache-2.0

// The script of the page of a report. The page is whole without it; with it a reader sees exact figures at the pointer, sorts
// a table by a column, shows only one cause or one pair, and chooses an interval on the time line. It loads nothing, and the
// policy of the page allows this script alone, by its hash.

enum ReportScript {
    /// SHA-256 of `script`, as a policy has it. A test compares the two.
    static let hash = "sha256-bJBdXD6o9BenvWt+5GC7PkYl+/Qnrc3VtPBRT9gzHZ4="

    static let script: StaticString = """

        addEventListener("DOMContentLoaded", () => {
          const all = (selector, root = document) => [...root.querySelectorAll(selector)];
          const tip = document.createElement("div");
          tip.id = "tip";
          tip.hidden = true;
          const bar = document.createElement("p");
          bar.id = "filter";
          bar.hidden = true;
          const words = document.createElement("span"), clear = document.createElement("button");
          words.setAttribute("role", "status");
          clear.textContent = "show all";
          bar.append(words, " ", clear);
          document.body.append(tip, bar);

          addEventListener("pointermove", (event) => {
            const says = event.target.dataset?.says;
            tip.hidden = !says;
            if (!says) return;
            tip.textContent = says;
            const left = Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 8);
            const top = event.clientY + 18 + tip.offsetHeight > innerHeight ? event.clientY - tip.offsetHeight - 10
              : event.clientY + 18;
            tip.style.left = Math.max(4, left) + "px";
            tip.style.top = top + "px";
          });

          const units = { ns: 1e-9, us: 1e-6, ms: 1e-3, s: 1, k: 1e3, M: 1e6, G: 1e9, T: 1e12 };
          const value = (row, column) => {
            const text = row.cells[column].textContent.trim();
            const number = /^([\\d.]+)(ns|us|ms|s|k|M|G|T)?\\b/.exec(text);
            return { text, number: number ? number[1] * (units[number[2]] ?? 1) : -1 };
          };
          for (const head of all("thead th")) {
            const button = document.createElement("button");
            button.append(...head.childNodes);
            head.append(button);
            button.addEventListener("click", () => {
              const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
              const isNumber = head.classList.contains("n");
              const falls = head.ariaSort ? head.ariaSort === "ascending" : isNumber;
              for (const other of table.tHead.rows[0].cells) other.ariaSort = null;
              head.ariaSort = falls ? "descending" : "ascending";
              const rows = [...body.rows].map((row) => ({ row, ...value(row, column) }));
              rows.sort((a, b) => {
                const sums = a.row.classList.contains("sum") - b.row.classList.contains("sum");
                if (sums) return sums;
                const order = isNumber ? a.number - b.number : a.text.localeCompare(b.text);
                return falls ? -order : order;
              });
              body.append(...rows.map((one) => one.row));
            });
          }

          let wanted = null, interval = null;
          const fits = (data) => {
            if (wanted && data.cause !== wanted.cause) return false;
            if (!wanted || wanted.victim === undefined || data.victim === undefined) return true;
            return data.victim === wanted.victim && (data.culprit ?? "") === wanted.culprit;
          };
          const show = () => {
            for (const row of all("tr[data-cause], tr[data-victim]")) {
              const bin = row.dataset.bin;
              const isIn = !interval || bin === undefined || (bin >= interval.first && bin <= interval.last);
              row.hidden = !fits(row.dataset) || !isIn;
            }
            for (const part of all("svg [data-cause], li[data-cause]")) {
              part.classList.toggle("out", wanted !== null && part.dataset.cause !== wanted.cause);
            }
            const texts = [];
            if (wanted) {
              const pair = wanted.victim === undefined ? ""
                : ": " + (wanted.culprit || "no known culprit") + " \\u2192 " + wanted.victim;
              texts.push(wanted.cause + pair);
            }
            if (interval) texts.push(interval.text);
            const rows = all(".findings tr[data-victim]");
            texts.push(rows.filter((row) => !row.hidden).length + " of the " + rows.length + " findings on this page");
            words.textContent = texts.join(", ");
            bar.hidden = !wanted && !interval;
          };
          // A click that ends a drag over a plot chooses nothing.
          let dragged = false;
          addEventListener("pointerdown", () => { dragged = false; }, true);
          const choose = (data) => {
            const next = { cause: data.cause, victim: data.victim, culprit: data.victim === undefined ? undefined
              : data.culprit ?? "" };
            wanted = JSON.stringify(next) === JSON.stringify(wanted) ? null : next;
            show();
          };
          for (const part of all("section:not(.findings) tr[data-cause], svg [data-cause], li[data-cause]")) {
            part.classList.add("choice");
            part.addEventListener("click", () => { if (!dragged && getSelection().isCollapsed) choose(part.dataset); });
            if (!part.closest("svg")) {
              part.tabIndex = 0;
              part.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(part.dataset); });
            }
          }
          clear.addEventListener("click", () => {
            wanted = interval = null;
            for (const brush of all("svg .brush")) brush.setAttribute("width", 0);
            show();
          });

          for (const plot of all(".plot[data-bins]")) {
            const svg = plot.querySelector("svg"), { left, width, bins, unit, names } = plot.dataset;
            const labels = names.split("|"), brush = document.createElementNS(svg.namespaceURI, "rect");
            brush.setAttribute("class", "brush");
            brush.setAttribute("y", 0);
            brush.setAttribute("height", svg.viewBox.baseVal.height);
            brush.setAttribute("width", 0);
            svg.append(brush);
            const place = (event) => {
              const box = svg.getBoundingClientRect();
              const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
              return Math.max(0, Math.min(bins - 1, Math.floor((x - left) / width * bins)));
            };
            let start = null;
            svg.addEventListener("pointerdown", (event) => { if (event.button === 0) start = { x: event.clientX, bin: place(event) }; });
            addEventListener("pointermove", (event) => {
              if (!start || Math.abs(event.clientX - start.x) < 4) return;
              dragged = true;
              getSelection().removeAllRanges();
              const end = place(event), [first, last] = [Math.min(start.bin, end), Math.max(start.bin, end)];
              brush.setAttribute("x", +left + first / bins * width);
              brush.setAttribute("width", (last - first + 1) / bins * width);
              interval = { first: first * unit, last: (last + 1) * unit - 1, text: labels[first] + " to " + labels[last + 1] };
              show();
            });
            for (const end of ["pointerup", "pointercancel"]) addEventListener(end, () => { start = null; });
          }
        });

        """
}
