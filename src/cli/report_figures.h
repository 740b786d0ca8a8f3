#pragma once

#include <string>
#include <utility>
#include <vector>

#include "cli/report_data.h"
#include "io/heat_map.h"
#include "io/plots.h"

namespace halcyon {

// The plots of a report.  Bands are 2 standard errors wide on either side.

/// The Fisher fraction j by its three estimators, with the bounds and exact values that there are.
Plot fisher_spectrum_plot(const LevelTable& table);

/// eps_mse of some of the steps over sigma, from light to dark, between its bounds.  `other` is a
/// history of other images or weights to compare with.
Plot loss_over_floor_plot(const LevelHistory& history, const LevelHistory* other);

/// The score calibration c* over sigma.
Plot calibration_plot(const LevelTable& table);

/// c* - 1 over steps and sigma, at most 60 of them; colours reach 5 %, or less if all values do.
HeatMap calibration_map(const LevelHistory& history);

/// The information rate over sigma in bits/dim per octave, which is eps_mse.
Plot information_rate_plot(const LevelTable& table);

/// The area below that rate, in bits/dim, by the trapezoidal rule.  The standard error is an upper
/// bound of the true one: levels that share their images are not independent.
struct InformationArea {
  double bits_per_dim = 0;
  double standard_error = 0;
};
InformationArea information_area(const LevelTable& table);

/// The effective variance sigma^2 eps_mse / (1 - eps_mse) over sigma.
Plot effective_variance_plot(const LevelTable& table);

/// Eigenvalues over their rank, a series a noise level, of one kind of matrix.
Plot spectrum_plot(const std::vector<Spectrum>& spectra, const std::string& matrix);

/// A column over sigma with its band, or a line if it has no errors.
PlotSeries level_series(const LevelTable& table, const std::string& title,
                        const std::string& column);

/// A column over `x`, a number for each row of the table, its band from `NAME_se` if that is there.
/// Rows are averaged, so that at most `most` points are left.
PlotSeries metric_series(const Table& metrics, const std::vector<double>& x,
                         const std::string& column, size_t most = 300);

/// A column of metrics.csv, or of another table with steps, over steps; see metric_series().
Plot metric_plot(const Table& metrics, const std::string& column, const std::string& label,
                 bool log_y);
/// `quantity` of every band of noise levels of run.gradient_bands, band1_QUANTITY and so on, as a
/// few points with their errors.
Plot band_plot(const Table& metrics, const std::string& quantity, const std::string& label);

}  // namespace halcyon
