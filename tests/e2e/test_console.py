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
                # The page opens with the list of a user that it chose itself.
                page.wait("return document.querySelectorAll('#similar li button').length >= 5 && document.querySelectorAll('#hits li.hit').length === 10")
                answered = page.run("return document.getElementById('hits').dataset.answered")
                page.run(SET, "user", user)
                page.wait("return document.getElementById('hits').dataset.answered !== arguments[0]", answered)
                first = page.run(ITEMS)
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
                self.assertEqual(page.run("return document.getElementById('problem').textContent"), "")
                page.run(SET, "user", "<img src=x onerror=alert(1)>")
                page.wait("return document.getElementById('note').textContent.includes('unknown user')")
                self.assertEqual(page.run("return document.querySelectorAll('img').length"), 0)
            finally:
                page.close()

    def page_of_a_shop(self, server, width=1320, height=860, scheme="light"):
        page = browser.Browser(width, height)
        self.addCleanup(page.close)
        page.resize(width, height, scheme)
        page.open(f"http://{server.address}/")
        page.wait("return document.querySelectorAll('#hits li.hit').length === 10")
        return page

    def test_it_opens_with_a_list_and_fits_every_width_in_light_and_dark(self):
        _, store = self.shop_store()
        axe = browser.axe_source(harness.ROOT)
        with harness.Server(store) as server:
            page = self.page_of_a_shop(server)
            self.assertTrue(page.run("return location.pathname === '/console'"))
            for scheme in ("light", "dark"):
                for width in (1320, 560, 390):
                    page.resize(width, 844, scheme)
                    for tab in ("lists", "shop"):
                        page.run("document.getElementById('tab-' + arguments[0]).click()", tab)
                        page.wait("return !document.getElementById(arguments[0]).hidden", tab)
                        if tab == "shop":
                            page.wait("return document.querySelectorAll('#models tr').length > 1")
                        self.assertLessEqual(page.run("return document.documentElement.scrollWidth"), width, (scheme, width, tab))
                        page.run(axe)
                        found = page.call("POST", page.session + "/execute/async", {"args": [], "script":
                                          "const done = arguments[0]; axe.run().then(r => done(r.violations.map(v => v.id + ': ' + v.nodes[0].html)))"})
                        self.assertEqual(found, [], (scheme, width, tab))
            widths = page.run("document.getElementById('tab-lists').click(); return [...document.querySelectorAll('#hits .title')].map(t => t.clientWidth)")
            self.assertGreater(min(widths), 150)

    def test_the_keyboard_alone_reaches_a_list_and_the_other_tab(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            page = self.page_of_a_shop(server)
            first = page.run("return document.getElementById('user').value")
            for _ in range(12):
                page.press(browser.TAB)
                if page.run("return document.activeElement.id") == "random":
                    break
            else:
                self.fail("the button for a random user is not reached")
            answered = page.run("return document.getElementById('hits').dataset.answered")
            page.press(browser.ENTER)
            page.wait("return document.getElementById('hits').dataset.answered !== arguments[0]", answered)
            self.assertTrue(first)
            page.run("document.getElementById('tab-lists').focus()")
            page.press(browser.RIGHT)
            page.wait("return document.querySelectorAll('#models tr').length > 1")
            self.assertEqual(page.run("return document.activeElement.id"), "tab-shop")

    def test_a_generation_is_activated_and_rolled_back_from_the_page(self):
        _, store = self.shop_store()
        harness.run("train", "--store", store, "--epochs", "2", "--activate", "no")
        with harness.Server(store) as server:
            page = self.page_of_a_shop(server)
            page.run("document.getElementById('tab-shop').click()")
            page.wait("return document.querySelectorAll('#models tr').length === 3")
            for generation in (2, 1):
                page.run("document.querySelector('tr[data-generation=\"' + arguments[0] + '\"] button').click()", str(generation))
                page.wait("return document.querySelector('tr[data-generation=\"' + arguments[0] + '\"] .good') !== null", str(generation))
                self.assertEqual(server.client.get("/model").json["model"], generation)

    def test_one_message_says_what_went_wrong(self):
        _, store = self.shop_store()
        with harness.Server(store) as server:
            page = self.page_of_a_shop(server)
        page.run("document.getElementById('random').click()")
        page.wait("return document.getElementById('problem').textContent !== ''")
        self.assertEqual(page.run("return document.querySelectorAll('.bad:not(:empty)').length"), 1)


if __name__ == "__main__":
    harness.main()
