#include "cli/html.h"

#include <fmt/format.h>

#include <cstdint>

#include "core/error.h"

namespace halcyon::html {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1d2530; --soft: #5b6675; --paper: #f6f7f9; --card: #fff;
  --line: #dde2e8; --accent: #0072b2; --bad: #b2182b; --bad-paper: #fdecea; --good: #00785a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e8ee; --soft: #9aa5b4; --paper: #14181e;
  --card: #1c222b; --line: #2e3743; --accent: #6cb8ec; --bad: #ff8a80; --bad-paper: #3a1f22;
  --good: #4dc9a2; }
  figure img { filter: brightness(.9); }
  figcaption .legend { background: #e6e6e6; color: #1d2530; padding: .3rem .6rem;
    border-radius: 5px; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.55 system-ui, "Segoe UI", "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em;
  overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; margin: 2.6rem 0 .3rem; }
p { margin: .3rem 0 .9rem; max-width: 48rem; }
a { color: var(--accent); }
.soft, figcaption, .missing, footer { color: var(--soft); }
.kicker { color: var(--accent); font-weight: 600; font-size: .85rem; letter-spacing: .04em; margin: 0; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(165px, 1fr)); gap: .8rem;
  margin: 1.4rem 0 1rem; padding: 0; }
.tiles div, figure, .alarms, details { background: var(--card); border: 1px solid var(--line);
  border-radius: 10px; }
.tiles div { padding: .8rem 1rem; }
dt { color: var(--soft); font-size: .82rem; }
dd { margin: 0; font-size: 1.45rem; font-weight: 600; line-height: 1.3;
  font-variant-numeric: tabular-nums; }
dd small { display: block; font-size: .82rem; font-weight: 400; color: var(--soft); }
dd.bad, td.bad { color: var(--bad); font-weight: 700; }
.alarms { border-color: var(--bad); background: var(--bad-paper); padding: .8rem 1.2rem; }
.alarms h2 { margin: 0; font-size: 1rem; color: var(--bad); }
.alarms ul { margin: .3rem 0 0; padding-left: 1.2rem; }
.calm { color: var(--good); }
.row { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 480px), 1fr));
  gap: 1rem; margin: .8rem 0; align-items: start; }
.columns { grid-template-columns: repeat(auto-fill, minmax(min(100%, 280px), 1fr)); }
.columns figure.pixels img { min-width: 0; width: 100%; }
.row .thumbnails { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr));
  gap: 1rem; }
figure { margin: 0; padding: .8rem; break-inside: avoid; }
figure img { display: block; width: 100%; height: auto; border-radius: 5px; background: #fff; }
figure.pixels img { width: auto; max-width: 100%; min-width: min(100%, 30rem); margin: 0 auto; }
.thumbnails figure.pixels img { min-width: 0; width: 100%; }
figure.film div { overflow: hidden; width: min(100%, 26rem); margin: 0 auto; border-radius: 5px; }
figure.film img { width: calc(100% * var(--frames)); max-width: none; min-width: 0; margin: 0;
  border-radius: 0; transform: translateX(calc(-100% * var(--moves) / var(--frames))); }
@keyframes film { from { transform: none; }
  75%, to { transform: translateX(calc(-100% * var(--moves) / var(--frames))); } }
@media screen and (prefers-reduced-motion: no-preference) {
  figure.film img { animation: film calc(.16s * var(--frames)) steps(var(--moves)) infinite; } }
header p { max-width: none; }
figcaption { font-size: .88rem; line-height: 1.45; margin: .6rem .2rem .1rem; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1.1rem; margin-bottom: .5rem;
  color: var(--ink); }
.legend i { display: inline-block; width: 1.7em; margin-right: .45em; vertical-align: middle; }
.missing { border-left: 3px solid var(--line); padding-left: .9rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .9rem; text-align: right; border-bottom: 1px solid var(--line);
  white-space: nowrap; }
td.name, th.name { text-align: left; }
th i { display: inline-block; width: 1.2em; margin-right: .4em; vertical-align: middle; }
th { color: var(--soft); font-weight: 600; vertical-align: bottom; }
details { padding: .6rem 1rem; margin: .6rem 0; }
summary { cursor: pointer; font-weight: 600; }
pre, code { font: .82rem/1.5 ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace; }
pre { overflow-x: auto; margin: .6rem 0 .2rem; }
footer { margin-top: 3rem; font-size: .85rem; }
@media print { body { background: #fff; font-size: 12px; } main { padding: 0; max-width: none; }
  .row { grid-template-columns: 1fr 1fr; } h2 { break-after: avoid; } }
)";

std::string legend(const HeatMap&) { return ""; }

/// The names of the series beside strokes of their colours.
std::string legend(const Plot& plot) {
  std::string items;
  const auto colours = series_colours(plot);
  for (size_t i = 0; i < plot.series.size(); ++i) {
    const auto& series = plot.series[i];
    if (series.title.empty()) continue;
    items += fmt::format("<span><i style=\"border-top:3px {} {}\"></i>{}</span>\n",
                         series.dashed ? "dashed" : "solid", colours[i], escaped(series.title));
  }
  return items.empty() ? "" : fmt::format("<span class=\"legend\">{}</span>\n", items);
}

template <class Drawing>
std::string drawn_figure(const Drawing& drawing, const std::string& alternative,
                         const std::string& caption) {
  try {
    const auto svg = draw_svg(drawing);
    if (svg.empty()) return "";
    return figure(data_uri("image/svg+xml", svg), alternative, legend(drawing) + caption);
  } catch (const FileError& error) {
    return missing(fmt::format("{}: not drawn, {}", escaped(alternative), escaped(error.what())));
  }
}

}  // namespace

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) {
    switch (c) {
      case '&':
        result += "&amp;";
        break;
      case '<':
        result += "&lt;";
        break;
      case '>':
        result += "&gt;";
        break;
      case '"':
        result += "&quot;";
        break;
      case '\'':
        result += "&#39;";
        break;
      default: {
        const auto code = static_cast<unsigned char>(c);
        result += (code < 0x20 && c != '\n' && c != '\t') || code == 0x7f ? ' ' : c;
      }
    }
  }
  return result;
}

std::string data_uri(const std::string& media_type, const std::string& bytes) {
  constexpr const char* kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text = "data:" + media_type + ";base64,";
  text.reserve(text.size() + bytes.size() * 4 / 3 + 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t three = 0;
    for (size_t k = 0; k < 3; ++k) {
      three = three << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0);
    }
    for (size_t k = 0; k < 4; ++k) {
      text += i + k <= bytes.size() ? kDigits[three >> (18 - 6 * k) & 63] : '=';
    }
  }
  return text;
}

std::string section(const std::string& heading, const std::string& body) {
  return fmt::format("<section>\n<h2>{}</h2>\n{}</section>\n", escaped(heading), body);
}

std::string figure(const std::string& uri, const std::string& alternative,
                   const std::string& caption) {
  return fmt::format("<figure><img src=\"{}\" alt=\"{}\"><figcaption>{}</figcaption></figure>\n",
                     uri, escaped(alternative), caption);
}

std::string film(const std::string& uri, int64_t frames, const std::string& alternative,
                 const std::string& caption) {
  return fmt::format(
      "<figure class=\"pixels film\"><div style=\"--frames:{};--moves:{}\"><img src=\"{}\" "
      "alt=\"{}\"></div><figcaption>{}</figcaption></figure>\n",
      frames, frames - 1, uri, escaped(alternative), caption);
}

std::string figure(const Plot& plot, const std::string& alternative, const std::string& caption) {
  return drawn_figure(plot, alternative, caption);
}

std::string figure(const HeatMap& map, const std::string& alternative, const std::string& caption) {
  return drawn_figure(map, alternative, caption);
}

std::string row(const std::string& figures) {
  return figures.empty() ? "" : fmt::format("<div class=\"row\">\n{}</div>\n", figures);
}

std::string missing(const std::string& markup) {
  return fmt::format("<p class=\"missing\">{}</p>\n", markup);
}

std::string page(const std::string& title, const std::string& body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<link rel=\"icon\" href=\"data:,\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n"
      "</html>\n",
      escaped(title), kStyle, body);
}

}  // namespace halcyon::html
