#pragma once

#include <stackless/detail/io_resource.hpp>
#include <stackless/io/descriptor.hpp>
#include <stackless/task.hpp>

#include <cstdint>
#include <system_error>

namespace stackless::inline STACKLESS_ABI::detail {

/// What a message of no bytes is.
enum class no_bytes : std::uint8_t { end_of_stream, message };

// Descriptors through Unix sockets, each with one byte.
task<> send_descriptor(io_resource* socket, int descriptor);
task<> send_descriptor(io_resource* socket, int descriptor, std::error_code& error);
task<io::owned_descriptor> receive_descriptor(io_resource* socket, no_bytes meaning);
task<io::owned_descriptor> receive_descriptor(
    io_resource* socket, no_bytes meaning, std::error_code& error
);

}  // namespace stackless::inline STACKLESS_ABI::detail
