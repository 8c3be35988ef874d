#pragma once

// Everything for files and sockets.

#include <stackless/io/address.hpp>
#include <stackless/io/buffer_pool.hpp>
#include <stackless/io/buffered_reader.hpp>
#include <stackless/io/buffered_writer.hpp>
#include <stackless/io/bytes.hpp>
#include <stackless/io/copy.hpp>
#include <stackless/io/descriptor.hpp>
#include <stackless/io/directory_watch.hpp>
#include <stackless/io/duplex.hpp>
#include <stackless/io/error.hpp>
#include <stackless/io/file.hpp>
#include <stackless/io/file_status.hpp>
#include <stackless/io/file_system.hpp>
#include <stackless/io/operation.hpp>
#include <stackless/io/pipe.hpp>
#include <stackless/io/process.hpp>
#include <stackless/io/readiness.hpp>
#include <stackless/io/receive.hpp>
#include <stackless/io/resolve.hpp>
#include <stackless/io/signals.hpp>
#include <stackless/io/socket_stream.hpp>
#include <stackless/io/tcp.hpp>
#include <stackless/io/udp.hpp>
#include <stackless/io/unix.hpp>
#include <stackless/io/unix_datagram.hpp>
#include <stackless/io/walk.hpp>
