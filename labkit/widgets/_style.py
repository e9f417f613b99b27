"""The looks of the widgets: JupyterLab's own colours and sizes, so that light, dark and exported pages all work."""

SHARED = """
.PANEL{max-width:100%;padding:2px}
.PANEL .lk-title{font-weight:600;color:var(--jp-content-font-color1,inherit);font-size:var(--jp-content-font-size1,14px)}
.PANEL .lk-turn{border-left:3px solid var(--jp-border-color1,currentColor);padding:.1em .8em;margin:.4em 0;white-space:pre-wrap;
 overflow-wrap:anywhere;line-height:1.45;color:var(--jp-content-font-color1,inherit)}
.PANEL .lk-model{border-left-color:var(--jp-brand-color1,currentColor)}
.PANEL .lk-who,.PANEL .lk-status,.PANEL .lk-note
 {color:var(--jp-ui-font-color1,inherit);font-size:90%;line-height:1.4;overflow-wrap:anywhere}
.PANEL .lk-who{font-weight:600}
.PANEL .lk-error{border-left:3px solid var(--jp-error-color1,currentColor);padding:.2em .8em;line-height:1.45;overflow-wrap:anywhere;
 color:var(--jp-content-font-color1,inherit)}
.PANEL .lk-twin{white-space:pre-wrap;overflow-wrap:anywhere;margin:0;max-height:24em;overflow:auto;line-height:1.4;
 color:var(--jp-content-font-color1,inherit);font-family:var(--jp-code-font-family,monospace);font-size:var(--jp-code-font-size,13px)}
.PANEL .lk-scroll{max-height:26em;overflow:auto}
.PANEL .lk-what{max-height:20em;overflow:auto;color:var(--jp-content-font-color1,inherit);line-height:1.4}
.PANEL table{border-collapse:collapse;color:var(--jp-content-font-color1,inherit);font-size:var(--jp-ui-font-size1,13px)}
.PANEL th,.PANEL td{padding:1px .4em;text-align:left;vertical-align:top;line-height:1.3}
.PANEL td:first-child,.PANEL td:last-child{overflow-wrap:anywhere;min-width:6em}
.PANEL .lk-wide{overflow-x:auto}
.PANEL .widget-html-content{min-width:0}
.PANEL .lk-bar{display:flex;align-items:center;height:calc(var(--jp-widgets-inline-height,28px) + 2px);
 color:var(--jp-content-font-color1,inherit)}
.PANEL .lk-track{flex:1 1 8em;min-width:4em}
.PANEL .lk-before{height:5px;box-sizing:border-box;border:1px solid var(--jp-ui-font-color2,currentColor)}
.PANEL .lk-after{height:11px;background:var(--jp-brand-color1,currentColor)}
.PANEL .lk-number{flex:0 0 10em;padding-left:.8em;font-variant-numeric:tabular-nums;white-space:nowrap;line-height:1.2}
.PANEL .lk-choice,.PANEL .lk-token{font-family:var(--jp-code-font-family,monospace);color:var(--jp-content-font-color1,inherit)}
.PANEL .lk-choice{text-align:left;overflow:hidden;text-overflow:ellipsis}
.PANEL .lk-token{line-height:1.6;height:auto;white-space:pre;background:transparent;
 border-bottom:0 solid var(--jp-warn-color1,currentColor)}
.PANEL .lk-p1{border-bottom-width:1px;background:color-mix(in srgb,var(--jp-warn-color1,currentColor) 12%,transparent)}
.PANEL .lk-p2{border-bottom-width:2px;background:color-mix(in srgb,var(--jp-warn-color1,currentColor) 22%,transparent)}
.PANEL .lk-p3{border-bottom-width:3px;background:color-mix(in srgb,var(--jp-warn-color1,currentColor) 32%,transparent)}
.PANEL .lk-p4{border-bottom-width:4px;background:color-mix(in srgb,var(--jp-warn-color1,currentColor) 42%,transparent)}
.PANEL .lk-chosen{outline:2px solid var(--jp-brand-color1,currentColor);font-weight:600}
.PANEL .lk-gauge{margin:.5em 0;max-width:60em}
.PANEL .lk-need{display:flex;height:18px}
.PANEL .lk-total{height:14px;margin-top:4px;box-sizing:border-box;border:1px solid var(--jp-ui-font-color2,currentColor)}
.PANEL .lk-free{height:100%;background:color-mix(in srgb,var(--jp-ui-font-color2,currentColor) 45%,transparent)}
.PANEL .lk-swatch{display:inline-block;width:.9em;height:.9em}
.PANEL .lk-part-0{background:var(--jp-brand-color1,currentColor)}
.PANEL .lk-part-1{background:repeating-linear-gradient(45deg,var(--jp-warn-color1,currentColor) 0 5px,transparent 5px 8px)}
.PANEL .lk-part-2{background:repeating-linear-gradient(90deg,var(--jp-content-font-color2,currentColor) 0 2px,transparent 2px 5px)}
.PANEL .lk-about{flex:1 1 18em;color:var(--jp-ui-font-color1,inherit);font-size:90%;line-height:1.3}
.PANEL .lk-sample{flex:1 1 15em;min-width:0;padding:0 .6em .4em 0}
.PANEL .lk-turn .lk-track{max-width:30em}
HIGHLIGHT
.PANEL button:focus-visible,.PANEL input:focus-visible,.PANEL textarea:focus-visible,.PANEL select:focus-visible,
 .PANEL [tabindex]:focus-visible
 {outline:2px solid var(--jp-brand-color1,currentColor);outline-offset:1px}
.jp-OutputArea-child:has(.PANEL) + .jp-OutputArea-child .labkit-snapshot{display:none}
"""

# Pointing at a sentence, or tabbing to it, frames the passages that it cites.
_FRAME = "{outline:2px solid var(--jp-brand-color1,currentColor);outline-offset:2px}"
SHARED = SHARED.replace(
    "HIGHLIGHT",
    "\n".join(
        f".PANEL:has(.lk-cites-{n}:hover) .lk-passage-{n},.PANEL:has(.lk-cites-{n}:focus) .lk-passage-{n}{_FRAME}" for n in range(1, 11)
    ),
)

# The handle of ipywidgets' slider has no name for a screen reader to say, and none can be given from Python: the label stands beside it.
# So the style sheet of a panel, once the browser has it, hands each label on. Constant text, in the live view only: what is saved has none.
NAMES = (
    "const panel=this.closest('.labkit-panel');"
    "const give=()=>panel.querySelectorAll('.widget-slider').forEach(slider=>{"
    "const label=slider.querySelector('.widget-label')?.textContent;"
    "slider.querySelectorAll('.noUi-handle:not([aria-label])').forEach(handle=>label&&handle.setAttribute('aria-label',label))});"
    "if(panel&&!panel.lkNames){panel.lkNames=new MutationObserver(give);panel.lkNames.observe(panel,{childList:true,subtree:true});give()}"
)
