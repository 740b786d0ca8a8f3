#pragma once

#include <string>

namespace halcyon {

enum class PictureFormat { png, svg };

/// The lines that every script begins with: terminal, fonts, borders, grid.  A PNG has 1200 x 800
/// pixels; an SVG is drawn at 600 x 340 units, in the reader's sans-serif font.
std::string gnuplot_style(PictureFormat format);

/// The text in single quotes, where gnuplot sees no commands, macros or escapes.  It does not read
/// a doubled quote back in every place, so a quote becomes an apostrophe, and a control character
/// a space.
std::string gnuplot_literal(const std::string& text);

/// Runs the program gnuplot on a script and returns the picture that it prints.  It is told no
/// path, and there is no shell.  @throws FileError if it is not installed or fails
std::string run_gnuplot(const std::string& script, PictureFormat format);

}  // namespace halcyon
