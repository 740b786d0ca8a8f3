#include "cli/likelihood_report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <numbers>

#include "config/text_value.h"
#include "fisher/bits_per_dim.h"

namespace halcyon {
namespace {

using Json = nlohmann::ordered_json;

double bits(const LikelihoodReport& report, double nats) {
  return bits_per_dim(nats, report.dim, report.bin_width);
}

double bits_error(const LikelihoodReport& report, double nats) {
  return nats / (static_cast<double>(report.dim) * std::numbers::ln2);
}

Cell cell(const std::optional<Estimate>& estimate) {
  return estimate ? Cell(estimate->value) : Cell();
}

void add_row(Table& table, const LikelihoodReport& report, const char* name, const Estimate& nll,
             const std::optional<Estimate>& exact) {
  table.rows.push_back({name, nll.value, nll.standard_error, bits(report, nll.value),
                        bits_error(report, nll.standard_error), cell(exact)});
}

Json estimate_json(const LikelihoodReport& report, const Estimate& nll) {
  return {{"nats", nll.value},
          {"nats_se", nll.standard_error},
          {"bits_per_dim", bits(report, nll.value)},
          {"bits_per_dim_se", bits_error(report, nll.standard_error)},
          {"images", nll.count}};
}

Json exact_json(const std::optional<Estimate>& exact) {
  if (!exact) return nullptr;
  return {{"nats", exact->value}, {"nats_se", exact->standard_error}};
}

Json information_json(const LikelihoodReport& report) {
  const auto& it = *report.information;
  Json json = {{"bound", estimate_json(report, it.bound)},
               {"bound_exact", exact_json(report.exact.bound)}};
  if (report.has_density) {
    json["matched"] = estimate_json(report, it.matched);
    json["matched_exact"] = exact_json(report.exact.matched);
    json["right_tail_matched_nats"] = it.right_tail_matched;
  }
  json["left_tail_nats"] = it.left_tail;
  json["right_tail_bound_nats"] = it.right_tail_bound;
  json["eps_mse_at_sigma_min"] = it.eps_mse.value;
  json["eps_mse_at_sigma_min_se"] = it.eps_mse.standard_error;
  json["log_snr_loc"] = it.loc;
  json["log_snr_scale"] = it.scale;
  json["nfe"] = it.nfe;
  return json;
}

Json ode_json(const LikelihoodReport& report) {
  const auto& ode = *report.ode;
  Json json = {{"nll", estimate_json(report, ode.nll)},
               {"nll_exact", exact_json(report.exact.ode)},
               {"solver", to_text(ode.options.solver)},
               {"divergence", to_text(ode.options.divergence)},
               {"prior", ode.prior},
               {"noise_added", false},
               {"nfe", ode.nfe}};
  if (ode.options.solver == OdeSolver::rk4) {
    json["steps"] = ode.options.steps;
  } else {
    json["tolerance"] = ode.options.tolerance;
  }
  return json;
}

std::string information_text(const LikelihoodReport& report) {
  const auto& it = *report.information;
  const auto matched = report.has_density
                           ? fmt::format(", {:.4g} below matched", it.right_tail_matched)
                           : std::string();
  auto text = fmt::format(
      "tails in nats: {:.4g} above (Gaussian), {:.4g} below (D(x) = x){}\n"
      "log-SNR drawn with loc {:.3g}, scale {:.3g}; {} NFE an image\n",
      it.left_tail, it.right_tail_bound, matched, it.loc, it.scale, it.nfe);
  if (it.eps_mse.value > 1 + 5 * it.eps_mse.standard_error) {
    text += fmt::format(
        "at sigma_min the model errs more than D(x) = x (eps mse {:.3g}): a higher --sigma_min "
        "lowers the bound\n",
        it.eps_mse.value);
  }
  return text;
}

std::string ode_text(const LikelihoodReport& report) {
  const auto& ode = *report.ode;
  const auto detail = ode.options.solver == OdeSolver::rk4
                          ? fmt::format("{} steps", ode.options.steps)
                          : fmt::format("tolerance {:g}", ode.options.tolerance);
  return fmt::format(
      "{}, {}, {} divergence, {} NFE an image; {} at sigma_max\n"
      "ln p(x; sigma_min) at the images as they are, no noise added\n",
      to_text(ode.options.solver), detail, to_text(ode.options.divergence), ode.nfe, ode.prior);
}

}  // namespace

std::string likelihood_text(const LikelihoodReport& report) {
  Table table{
      {"negative log likelihood", "nats", "nats +-", "bits/dim", "bits/dim +-", "exact nats"}, {}};
  if (report.information) {
    add_row(table, report, "information bound", report.information->bound, report.exact.bound);
    if (report.has_density) {
      add_row(table, report, "  with matched tail", report.information->matched,
              report.exact.matched);
    }
  }
  if (report.ode) add_row(table, report, "probability-flow ODE", report.ode->nll, report.exact.ode);
  auto text = fmt::format("{} ({} weights, step {}) on {} {} images of {} dimensions\n{}",
                          report.source, report.weights, report.step, report.images, report.split,
                          report.dim, to_text(table));
  text += fmt::format("{} dequantisation, bins of {:.4g}; sigma {:.4g} to {:.4g}; {}\n",
                      report.dequantization == Dequantization::none ? "no" : "uniform",
                      report.bin_width, report.sigma_min, report.sigma_max, report.reference);
  if (report.information) text += information_text(report);
  if (report.ode) text += ode_text(report);
  if (report.class_information) {
    text += fmt::format("class information {:.4g} +- {:.1g} nats, at most ln {} = {:.4g}\n",
                        report.class_information->value, report.class_information->standard_error,
                        report.classes, std::log(static_cast<double>(report.classes)));
    const auto& of_loss = *report.class_information_of_loss;
    text += fmt::format("  by the fall of the denoising loss {:.4g} +- {:.1g} nats\n",
                        of_loss.value, of_loss.standard_error);
  }
  return text;
}

std::string likelihood_json(const LikelihoodReport& report) {
  Json json = {{"checkpoint", report.source},
               {"weights", report.weights},
               {"step", report.step},
               {"data", report.data},
               {"split", report.split},
               {"images", report.images},
               {"dim", report.dim},
               {"seed", report.seed},
               {"dequantization", to_text(report.dequantization)},
               {"bin_width", report.bin_width},
               {"sigma_min", report.sigma_min},
               {"sigma_max", report.sigma_max},
               {"reference", report.reference},
               {"seconds", report.seconds}};
  if (report.information) json["information"] = information_json(report);
  if (report.ode) json["ode"] = ode_json(report);
  if (report.class_information) {
    json["class_information"] = {{"nats", report.class_information->value},
                                 {"nats_se", report.class_information->standard_error},
                                 {"loss_nats", report.class_information_of_loss->value},
                                 {"loss_nats_se", report.class_information_of_loss->standard_error},
                                 {"log_classes", std::log(static_cast<double>(report.classes))},
                                 {"levels", report.levels}};
  }
  return json.dump(2) + "\n";
}

Table likelihood_row(const LikelihoodReport& report) {
  Table table{{}, {{}}};
  const auto put = [&](const char* name, Cell value) {
    table.columns.emplace_back(name);
    table.rows.front().push_back(std::move(value));
  };
  const auto put_estimate = [&](const std::string& name, const std::optional<Estimate>& estimate,
                                bool in_bits) {
    Cell value, error;
    if (estimate) {
      value = in_bits ? bits(report, estimate->value) : estimate->value;
      error = in_bits ? bits_error(report, estimate->standard_error) : estimate->standard_error;
    }
    put(name.c_str(), value);
    put((name + "_se").c_str(), error);
  };
  const auto bound = report.information ? std::optional(report.information->bound) : std::nullopt;
  const auto ode = report.ode ? std::optional(report.ode->nll) : std::nullopt;
  put("step", static_cast<double>(report.step));
  put("weights", report.weights);
  put("split", report.split);
  put("n", static_cast<double>(report.images));
  put("d", static_cast<double>(report.dim));
  put_estimate("entropy_fisher_nats", report.entropy, /*in_bits=*/false);
  put_estimate("nll_it_nats", bound, /*in_bits=*/false);
  put_estimate("nll_it_bpd", bound, /*in_bits=*/true);
  put_estimate("nll_ode_bpd", ode, /*in_bits=*/true);
  put("ode_solver", report.ode ? Cell(to_text(report.ode->options.solver)) : Cell());
  put("ode_nfe", report.ode ? Cell(static_cast<double>(report.ode->nfe)) : Cell());
  put("dequant", to_text(report.dequantization));
  put("sigma_min", report.sigma_min);
  put("sigma_max", report.sigma_max);
  put("n_levels", report.levels > 0 ? Cell(static_cast<double>(report.levels)) : Cell());
  put_estimate("class_info_nats", report.class_information, /*in_bits=*/false);
  put_estimate("class_info_loss_nats", report.class_information_of_loss, /*in_bits=*/false);
  put_estimate("path_kl_to_ref_nats", report.path_kl, /*in_bits=*/false);
  return table;
}

}  // namespace halcyon
