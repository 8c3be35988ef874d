#pragma once

// Everything for TLS. A component of its own: link stackless::tls.

#include <stackless/tls/certificate.hpp>
#include <stackless/tls/context.hpp>
#include <stackless/tls/error.hpp>
#include <stackless/tls/stream.hpp>
