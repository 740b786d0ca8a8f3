#include <fmt/format.h>
#include <fmt/ranges.h>

#include <functional>

#include "cli/bench_job.h"
#include "cli/command_line.h"
#include "cli/fisher_job.h"
#include "cli/metric_job.h"
#include "cli/restore_method.h"
#include "cli/restore_task.h"
#include "core/preconditioning.h"
#include "core/registry.h"
#include "data/registry.h"
#include "data/toy_distribution.h"
#include "io/table.h"
#include "models/registry.h"
#include "samplers/registry.h"
#include "training/optimizer.h"

namespace halcyon {
namespace {

struct ListCommand {
  CommonOptions common;

  template <class Self, class Field>
  static void fields(Self& self, Field&& field) {
    CommonOptions::fields(self.common, field);
  }
};

template <class Table>
void print_rows(const Table& entries) {
  for (const auto& entry : entries) fmt::print("  {:<18} {}\n", entry.name, entry.summary);
}

std::string order_text(const SamplerEntry& entry) {
  if (!entry.stochastic) return std::to_string(entry.order);
  return entry.order == 0 ? "stochastic" : fmt::format("stochastic, {}", entry.order);
}

void print_samplers() {
  Table table{.columns = {"  name", "order", "NFE a step", "summary", "paper"}};
  for (const auto& entry : sampler_registry()) {
    table.rows.push_back({"  " + std::string(entry.name), order_text(entry),
                          entry.nfe == 0 ? "by options" : std::to_string(entry.nfe), entry.summary,
                          entry.paper});
  }
  fmt::print("{}", to_text(table));
}

void print_preconditionings() {
  print_rows(preconditioning_registry());
  fmt::print("  and what each goes with, as preconditioning.process, the first by itself:\n");
  for (const auto& entry : preconditioning_registry()) {
    fmt::print("  {:<18} {}\n", entry.name, fmt::join(entry.processes, ", "));
  }
}

void print_processes() {
  print_rows(noise_process_registry());
  fmt::print("  and their noise levels and the prior of x_t that sampling starts from:\n");
  for (const auto& entry : noise_process_registry()) {
    const auto process = make_noise_process({.name = entry.name});
    fmt::print("  {:<18} sigma {:.4g} to {:.4g}, N(0, {:.4g}^2 I)\n", entry.name,
               process->sigma_min(), process->sigma_max(), process->prior_std());
  }
}

struct Catalogue {
  const char* name;
  const char* summary;
  void (*print)();
};

const std::vector<Catalogue>& catalogues() {
  static const std::vector<Catalogue> entries = {
      {"samplers", "sampler.name", print_samplers},
      {"models", "model.name", [] { print_rows(model_registry()); }},
      {"preconditionings", "preconditioning.name", print_preconditionings},
      {"processes", "preconditioning.process", print_processes},
      {"optimizers", "optimizer.name", [] { print_rows(optimizer_registry()); }},
      {"grids", "sampler.grid", [] { print_rows(grid_registry()); }},
      {"datasets", "what data.path may be", [] { print_rows(data_format_registry()); }},
      {"toys", "data.path = toy:NAME, with exact score", [] { print_rows(toy_registry()); }},
      {"tasks", "halcyon restore --task", [] { print_rows(restore_tasks()); }},
      {"methods", "halcyon restore --method", [] { print_rows(restore_methods()); }},
      {"fisher", "parts of halcyon fisher --only", [] { print_rows(fisher_parts()); }},
      {"metrics", "of samples, halcyon evaluate --metrics", [] { print_rows(metric_registry()); }},
      {"bench", "parts of halcyon bench --only", [] { print_rows(bench_parts()); }},
  };
  return entries;
}

void print_catalogue(const Catalogue& catalogue) {
  fmt::print("{} ({})\n", catalogue.name, catalogue.summary);
  catalogue.print();
}

}  // namespace

int list_command(const Arguments& arguments) {
  ListCommand command;
  std::vector<std::string> known;
  for (const auto& catalogue : catalogues()) known.emplace_back(catalogue.name);
  const auto usage = fmt::format("halcyon list [{} ...]", fmt::join(known, "|"));
  Arguments names;
  if (!parse_command_line(usage.c_str(), command, arguments, names, known)) return 0;
  for (const auto& name : names) print_catalogue(find_entry(catalogues(), name, "halcyon list"));
  if (names.empty()) {
    for (const auto& catalogue : catalogues()) print_catalogue(catalogue);
  }
  return 0;
}

}  // namespace halcyon
