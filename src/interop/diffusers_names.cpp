#include "interop/diffusers_names.h"

#include <utility>

namespace halcyon {
namespace {

using Table = std::vector<std::pair<const char*, const char*>>;

// Our parts of a name -> theirs, each between dots.
const Table kParts = {{".norm_out.", ".conv_norm_out."},
                      {".embedding.linear1.", ".time_embedding.linear_1."},
                      {".embedding.linear2.", ".time_embedding.linear_2."},
                      {".embedding.class_table.", ".class_embedding."},
                      {".embedding.noise.", ".time_proj."},
                      {".down.", ".down_blocks."},
                      {".up.", ".up_blocks."},
                      {".mid.attention.", ".mid_block.attentions.0."},
                      {".mid.", ".mid_block."},
                      {".block.", ".resnets."},
                      {".attention.", ".attentions."},
                      {".input_skip.", ".skip_conv."},
                      {".output_skip.", ".skip_conv."},
                      {".output_norm.", ".skip_norm."},
                      {".shortcut.", ".conv_shortcut."},
                      {".embed.", ".time_emb_proj."},
                      {".norm.", ".group_norm."}};
const Table kResample = {{".downsample.", ".downsamplers.0."}, {".upsample.", ".upsamplers.0."}};
const Table kSkipResample = {{".downsample.", ".resnet_down."}, {".upsample.", ".resnet_up."}};
const Table kNow = {
    {".query.", ".to_q."}, {".key.", ".to_k."}, {".value.", ".to_v."}, {".out.", ".to_out.0."}};
const Table kOnce = {{".out.", ".proj_attn."}, {".time_proj.weight.", ".time_proj.W."}};

std::string replaced(std::string name, const Table& table) {
  for (const auto& [ours, theirs] : table) {
    const std::string part = ours;
    const auto at = name.find(part);
    if (at != std::string::npos) name.replace(at, part.size(), theirs);
  }
  return name;
}

}  // namespace

std::vector<std::string> diffusers_names(const std::string& name, bool skip_blocks) {
  const auto common =
      replaced(replaced("." + name + ".", kParts), skip_blocks ? kSkipResample : kResample);
  std::vector<std::string> names;
  for (const auto& time : {kNow, kOnce}) {
    const auto full = replaced(common, time);
    const auto plain = full.substr(1, full.size() - 2);
    if (names.empty() || names.back() != plain) names.push_back(plain);
  }
  return names;
}

}  // namespace halcyon
