#include "uring_features.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <memory>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

namespace {

struct feature {
  std::string_view name;
  unsigned flag;
};
struct opcode {
  std::string_view name;
  io_uring_op code;
};
struct optional_opcode {
  std::string_view name;
  io_uring_op code;
  io_code operation;  // that a thread does otherwise
};

constexpr std::array optional_features{
    std::string_view("defer_taskrun"),  std::string_view("coop_taskrun"),
    std::string_view("splice"),         std::string_view("pbuf_ring"),
    std::string_view("recv_multishot"),
};

// The newest is of Linux 5.11.
constexpr std::array needed_features{
    feature{"nodrop", IORING_FEAT_NODROP},
    feature{"rw_cur_pos", IORING_FEAT_RW_CUR_POS},
    feature{"ext_arg", IORING_FEAT_EXT_ARG},
    feature{"submit_stable", IORING_FEAT_SUBMIT_STABLE},
};

constexpr std::array needed_opcodes{
    opcode{"nop", IORING_OP_NOP},
    opcode{"openat", IORING_OP_OPENAT},
    opcode{"close", IORING_OP_CLOSE},
    opcode{"read", IORING_OP_READ},
    opcode{"write", IORING_OP_WRITE},
    opcode{"readv", IORING_OP_READV},
    opcode{"writev", IORING_OP_WRITEV},
    opcode{"fsync", IORING_OP_FSYNC},
    opcode{"accept", IORING_OP_ACCEPT},
    opcode{"connect", IORING_OP_CONNECT},
    opcode{"recv", IORING_OP_RECV},
    opcode{"send", IORING_OP_SEND},
    opcode{"recvmsg", IORING_OP_RECVMSG},
    opcode{"sendmsg", IORING_OP_SENDMSG},
    opcode{"shutdown", IORING_OP_SHUTDOWN},
    opcode{"poll_add", IORING_OP_POLL_ADD},
    opcode{"async_cancel", IORING_OP_ASYNC_CANCEL},
};

// The newest are of Linux 5.15.
constexpr std::array optional_opcodes{
    optional_opcode{"statx", IORING_OP_STATX, io_code::status},
    optional_opcode{"fallocate", IORING_OP_FALLOCATE, io_code::allocate},
    optional_opcode{"renameat", IORING_OP_RENAMEAT, io_code::rename},
    optional_opcode{"unlinkat", IORING_OP_UNLINKAT, io_code::unlink},
    optional_opcode{"mkdirat", IORING_OP_MKDIRAT, io_code::make_directory},
    optional_opcode{"symlinkat", IORING_OP_SYMLINKAT, io_code::symbolic_link},
    optional_opcode{"linkat", IORING_OP_LINKAT, io_code::hard_link},
};

using probe_result = std::unique_ptr<io_uring_probe, void (*)(io_uring_probe*)>;

bool is_feature(std::string_view name) noexcept {
  const auto has_name = [&](const auto& of) { return of.name == name; };
  return std::find(optional_features.begin(), optional_features.end(), name) !=
             optional_features.end() ||
         std::any_of(needed_features.begin(), needed_features.end(), has_name) ||
         std::any_of(needed_opcodes.begin(), needed_opcodes.end(), has_name) ||
         std::any_of(optional_opcodes.begin(), optional_opcodes.end(), has_name);
}

[[noreturn]] void throw_lacking(std::string_view name) {
  throw std::system_error(
      ENOSYS, std::system_category(),
      "io_uring has no \"" + std::string(name) + "\" here (it needs Linux 5.11)"
  );
}

}  // namespace

uring_features::uring_features() {
  const char* text = std::getenv("STACKLESS_IO_WITHOUT");
  if (text == nullptr || *text == '\0') return;
  without_ = "," + std::string(text) + ",";
  for (std::size_t begin = 1; begin < without_.size();) {
    const std::size_t end = without_.find(',', begin);
    const std::string_view name = std::string_view(without_).substr(begin, end - begin);
    if (!is_feature(name))
      throw std::system_error(
          EINVAL, std::system_category(),
          "STACKLESS_IO_WITHOUT names \"" + std::string(name) + "\", which is no feature"
      );
    begin = end + 1;
  }
}

bool uring_features::masked(std::string_view name) const noexcept {
  for (std::size_t at = without_.find(name); at != std::string::npos;
       at = without_.find(name, at + 1))
    if (without_[at - 1] == ',' && without_[at + name.size()] == ',') return true;
  return false;
}

std::array<unsigned, 3> uring_features::setup_flags() const noexcept {
  constexpr unsigned deferred =
      IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  constexpr unsigned cooperative = IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  const unsigned second = masked("coop_taskrun") ? 0 : cooperative;
  return {masked("defer_taskrun") ? second : deferred, second, 0};
}

io_code_set uring_features::require(io_uring& ring) const {
  for (const auto& [name, flag] : needed_features)
    if ((ring.features & flag) == 0 || masked(name)) throw_lacking(name);
  const probe_result probe(io_uring_get_probe_ring(&ring), io_uring_free_probe);
  if (!probe) throw_lacking("probe");
  for (const auto& [name, code] : needed_opcodes)
    if (io_uring_opcode_supported(probe.get(), code) == 0 || masked(name)) throw_lacking(name);

  io_code_set on_threads;
  on_threads.set(static_cast<std::size_t>(io_code::resize));
  on_threads.set(static_cast<std::size_t>(io_code::set_permissions));
  on_threads.set(static_cast<std::size_t>(io_code::set_times));
  on_threads.set(static_cast<std::size_t>(io_code::call));
  for (const auto& [name, code, operation] : optional_opcodes)
    if (io_uring_opcode_supported(probe.get(), code) == 0 || masked(name))
      on_threads.set(static_cast<std::size_t>(operation));
  return on_threads;
}

bool uring_features::can_lend_buffers() const noexcept {
  return !masked("pbuf_ring");
}

std::uint16_t uring_features::receive_many_flag() const noexcept {
  constexpr std::uint16_t unknown = 1U << 15U;
  return masked("recv_multishot") ? unknown : std::uint16_t{IORING_RECV_MULTISHOT};
}

bool uring_features::can_splice(io_uring& ring) const noexcept {
  if (masked("splice")) return false;
  const probe_result probe(io_uring_get_probe_ring(&ring), io_uring_free_probe);
  return probe && io_uring_opcode_supported(probe.get(), IORING_OP_SPLICE) != 0;
}

}  // namespace stackless::inline STACKLESS_ABI::detail
