"""Figures in Chinese: a font of this machine draws them, or they are English; there are never boxes."""

import warnings

import matplotlib
import pytest
from matplotlib import font_manager
from matplotlib.font_manager import FontEntry, findfont, fontManager

from omg_lib import words
from omg_lib.plots.curves import curves_figure, curves_png
from omg_lib.system import fonts


@pytest.fixture(autouse=True)
def chinese(monkeypatch):
    monkeypatch.setenv("OMG_LANG", "zh_CN")
    fonts.find_font.cache_clear()
    words.say.cache_clear()
    with matplotlib.rc_context():
        yield
    fonts.find_font.cache_clear()


def titles():
    return [ax.get_title() for ax in curves_figure([]).axes]


def test_without_a_font_figures_are_english_and_one_line_says_so(monkeypatch, capsys):
    mine = [font for font in fontManager.ttflist if font.name not in fonts.FAMILIES["zh"]]
    monkeypatch.setattr(fontManager, "ttflist", mine)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    assert titles() == titles() == ["loss", "win rate, last 100 episodes"]
    (line,) = capsys.readouterr().err.splitlines()
    assert "Noto Sans CJK" in line
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib warns of every character that it has no glyph for
        curves_png([])


def test_with_a_font_figures_are_chinese(monkeypatch, capsys):
    """Any font under the name that is looked for: what it draws is the font's own business."""
    mine = [font for font in fontManager.ttflist if font.name not in fonts.FAMILIES["zh"]]
    path = findfont("DejaVu Sans Mono")
    monkeypatch.setattr(fontManager, "ttflist", [*mine, FontEntry(fname=path, name="WenQuanYi Zen Hei")])
    made = curves_figure([]).axes
    assert [ax.get_title() for ax in made] == ["损失", "胜率，最近 100 个回合"]
    assert {ax.title.get_fontfamily()[-1] for ax in made} == {"WenQuanYi Zen Hei"}, "in the first figure already"
    assert capsys.readouterr().err == ""


def test_the_font_of_this_machine_has_every_character():
    with matplotlib.rc_context():
        if not fonts.find_font("zh"):
            pytest.skip("no Chinese font is installed")
    fonts.find_font.cache_clear()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        curves_png([])


def test_a_font_installed_after_matplotlibs_first_run_is_found(monkeypatch, capsys):
    """matplotlib reads its list of fonts from a file of its first run; a broken font does not matter."""
    path = findfont("DejaVu Sans Mono")
    mine = [font for font in fontManager.ttflist if font.name not in fonts.FAMILIES["zh"] and font.fname != path]
    monkeypatch.setattr(fontManager, "ttflist", mine)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [__file__, path])
    monkeypatch.setitem(fonts.FAMILIES, "zh", ("DejaVu Sans Mono",))
    assert titles() == ["损失", "胜率，最近 100 个回合"] and capsys.readouterr().err == ""


def test_other_languages_need_no_font(monkeypatch):
    monkeypatch.setenv("OMG_LANG", "en")
    assert titles() == ["loss", "win rate, last 100 episodes"] and fonts.find_font.cache_info().currsize == 0
