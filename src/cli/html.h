#pragma once

#include <cstdint>
#include <string>

#include "io/heat_map.h"
#include "io/plots.h"

namespace halcyon::html {

/// Text as it appears on a page: markup loses its meaning, also inside quoted attributes, and
/// control characters become spaces.
std::string escaped(const std::string& text);

/// An address that holds the bytes themselves, as "data:image/png;base64,...".
std::string data_uri(const std::string& media_type, const std::string& bytes);

/// A section under its heading.  `body` is markup.
std::string section(const std::string& heading, const std::string& body);

/// A picture over its caption; `alternative` is text, `caption` markup.
std::string figure(const std::string& uri, const std::string& alternative,
                   const std::string& caption);

/// A film strip of at least two `frames` side by side, shown one after the other without end; on
/// paper, and where the reader wants no motion, the last alone.
std::string film(const std::string& uri, int64_t frames, const std::string& alternative,
                 const std::string& caption);

/// A plot drawn by gnuplot, as an image so that no two share their ids; in its place the reason if
/// that fails, and nothing if there is no point to draw.
std::string figure(const Plot& plot, const std::string& alternative, const std::string& caption);
std::string figure(const HeatMap& map, const std::string& alternative, const std::string& caption);

/// Figures beside each other where there is room; nothing if there are none.
std::string row(const std::string& figures);

/// A paragraph that says what is not there and how to make it.
std::string missing(const std::string& markup);

/// The whole document, with its style and without scripts; `title` is text, `body` markup.
std::string page(const std::string& title, const std::string& body);

}  // namespace halcyon::html
