# SPDX-License-Identifier: Apache-2.0
"""The console page in a real browser."""

import os
import re
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "support"))
import browser  # noqa: E402
import harness  # noqa: E402

ITEMS = "return [...document.querySelectorAll('#hits li.hit')].map(row => row.dataset.item)"
SET = """const field = document.getElementById(arguments[0]); field.value = arguments[1];
field.dispatchEvent(new Event('input')); field.dispatchEvent(new Event('change')); return true"""


class Console(harness.TestCase):
    def test_nothing_on_the_page_comes_from_elsewhere(self):
        with open(os.path.join(harness.ROOT, "api", "web", "console.html"), encoding="utf-8") as f:
            page = f.read()
        self.assertEqual(re.findall(r"""(?:src|href|action)=["'](?!data:)[^"']*""", page), [])
        self.assertEqual(re.findall(r"https?://|url\(|@import", page), [])

    def test_a_user_s_list_follows_the_sliders_and_similar_items_open(self):
        files, store = self.shop_store()
        user, had = next(iter(harness.shop_users(files, 1).items()))
        with harness.Server(store) as server:
            page = browser.Browser()
            try:
                page.open(f"http://{server.address}/console")
                page.wait("return document.querySelectorAll('#similar li button').length >= 5")
                page.run(SET, "user", user)
                first = page.wait(ITEMS + ".length && " + ITEMS[7:])
                self.assertEqual(first, server.client.get("/recommend", {"user": user, "k": 10}).items)
                self.assertFalse(set(first) & set(had))
                self.assertEqual(page.run("return document.querySelectorAll('#hits .bar .c').length"), 10)
                self.assertTrue(page.run("return [...document.querySelectorAll('#hits .title')].every(t => t.textContent.length > 3)"))
                page.wait("return document.querySelectorAll('#history li button').length > 0")
                for slider, value in (("balance", "1"), ("diversity", "0.6")):
                    answered = page.run("return document.getElementById('hits').dataset.answered")
                    page.run(SET, slider, value)
                    page.wait("return document.getElementById('hits').dataset.answered !== arguments[0]", answered)
                    asked = {"user": user, "k": 10, "balance": 1, "diversity": 0 if slider == "balance" else 0.6}
                    self.assertEqual(page.run(ITEMS), server.client.get("/recommend", asked).items)
                self.assertNotEqual(page.run(ITEMS), first)
                page.run("document.querySelector('#hits li.hit button').click()")
                page.wait("return document.getElementById('similar-head').textContent.startsWith('Similar to')")
                self.assertEqual([entry for entry in page.log() if entry["level"] == "SEVERE"], [])
                page.run(SET, "user", "<img src=x onerror=alert(1)>")
                page.wait("return document.getElementById('note').textContent.includes('unknown user')")
                self.assertEqual(page.run("return document.querySelectorAll('img').length"), 0)
            finally:
                page.close()


if __name__ == "__main__":
    harness.main()
