#include "tls_test.hpp"

#include <array>
#include <fstream>

using namespace tls_test;
using io_test::on_each_backend;
namespace io = stackless::io;

namespace {

task<handshakes> attempt(
    const tls::context& client, const tls::context& server, std::string host = "localhost"
) {
  ends both;
  co_await make_ends(both, client, server, std::move(host));
  handshakes result = co_await shake_hands(both);
  if (!result.client.code) {
    // TLS 1.3: a client may learn only now that the server did not accept it.
    auto read = [&]() -> task<> {
      std::array<char, 1> byte{};
      (void)co_await both.client.read_some(byte);
    };
    if (result.server.code) result.client = co_await outcome_of(read);
  }
  co_return result;
}

void issue_special() {
  static bool done = false;
  if (std::exchange(done, true)) return;
  identity::wish expired;
  expired.days_from = -60;
  expired.days_to = -30;
  test_authority().issue("expired", expired);
  identity::wish early;
  early.days_from = 10;
  test_authority().issue("early", early);
  identity::wish client;
  client.name = "a client";
  client.hosts = "";
  test_authority().issue("client", client);
}

}  // namespace

TEST_CASE("a handshake, and what is known after it") {
  on_each_backend([]() -> task<> {
    ends both;
    co_await make_ends(both);
    CHECK(both.client.version().empty());
    CHECK(both.client.cipher().empty());
    CHECK_FALSE(both.client.peer_certificate());
    CHECK_FALSE(both.client.peer_verified());
    CHECK(both.client.host() == "localhost");
    const handshakes done = co_await shake_hands(both);
    CHECK(done.client.what.empty());
    CHECK(done.server.what.empty());
    CHECK(both.client.version() == "TLSv1.3");
    CHECK(both.server.version() == "TLSv1.3");
    CHECK_FALSE(both.client.cipher().empty());
    CHECK(both.client.cipher() == both.server.cipher());
    CHECK(both.server.host() == "localhost");
    CHECK(both.client.protocol().empty());
    CHECK(both.client.peer_verified());
    CHECK_FALSE(both.server.peer_verified());
    CHECK_FALSE(both.server.peer_certificate());
    const auto shown = both.client.peer_certificate();
    REQUIRE(shown);
    CHECK(shown->subject == "CN=localhost");
    CHECK(shown->issuer == "CN=Root of the tests");
    CHECK(shown->hosts == std::vector<std::string>{"localhost", "127.0.0.1"});
    CHECK(shown->not_before < std::chrono::system_clock::now());
    CHECK(shown->not_after > std::chrono::system_clock::now() + std::chrono::hours(24 * 28));
    CHECK(shown->not_after < std::chrono::system_clock::now() + std::chrono::hours(24 * 31));
    CHECK(shown->sha256.size() == 64);
    co_await both.client.handshake();  // the second time nothing happens
    CHECK(io_test::in_flight() == 0);
  });
}

TEST_CASE("the host may be an address, and then has to be in the certificate") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    const handshakes right = co_await attempt(client, server, "127.0.0.1");
    CHECK(right.client.what.empty());
    const handshakes wrong = co_await attempt(client, server, "127.0.0.2");
    CHECK(wrong.client.code == tls::errc::wrong_host);
    CHECK_THAT(wrong.client.what, contains_text("IP address mismatch"));
  });
}

TEST_CASE("a certificate for another host") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    const handshakes done = co_await attempt(client, server, "example.org");
    CHECK(done.client.code == tls::errc::wrong_host);
    CHECK(done.client.code != tls::errc::untrusted_certificate);
    CHECK(done.client.code.category() == tls::verification_category());
    CHECK_THAT(
        done.client.what,
        starts_with_text("tls handshake \"example.org\": certificate verify failed: ")
    );
    // OpenSSL 3.0 writes "Hostname mismatch", later ones "hostname mismatch".
    CHECK_THAT(done.client.what, contains_text("ostname mismatch"));
    // The server is told why: an alert came before the connection ended.
    CHECK(done.server.code == tls::errc::refused_by_peer);
    CHECK_THAT(done.server.what, contains_text("alert"));
  });
}

TEST_CASE("a certificate that nobody vouches for") {
  on_each_backend([]() -> task<> {
    const authority other;
    const tls::context client = other.client();
    const tls::context server = test_authority().server();
    const handshakes done = co_await attempt(client, server);
    CHECK(done.client.code == tls::errc::untrusted_certificate);
    CHECK_THAT(done.client.what, contains_text("unable to get local issuer certificate"));
    CHECK(done.server.code == tls::errc::refused_by_peer);
    CHECK_THAT(done.server.what, contains_text("unknown ca"));
    // Nor one that only has the right name.
    const authority impostor("Root of the tests");
    const tls::context deceived = impostor.client();
    const handshakes forged = co_await attempt(deceived, server);
    CHECK(forged.client.code == tls::errc::untrusted_certificate);
    CHECK_THAT(forged.client.what, contains_text("certificate signature failure"));
    // Nor does the system.
    const tls::context system = tls::context::client();
    const handshakes second = co_await attempt(system, server);
    CHECK(second.client.code == tls::errc::untrusted_certificate);
    // Who says so talks to anybody.
    const tls::context careless = other.client();
    tls::context changed = careless;
    changed.set_verification(tls::verification::none);
    const handshakes third = co_await attempt(careless, server, "");
    CHECK(third.client.what.empty());
  });
}

TEST_CASE("a certificate that has expired, and one that is not valid yet") {
  on_each_backend([]() -> task<> {
    issue_special();
    const tls::context client = test_authority().client();
    const tls::context expired = test_authority().server("expired");
    const handshakes late = co_await attempt(client, expired);
    CHECK(late.client.code == tls::errc::certificate_expired);
    CHECK_THAT(late.client.what, contains_text("certificate has expired"));
    const tls::context early = test_authority().server("early");
    const handshakes soon = co_await attempt(client, early);
    CHECK(soon.client.code == tls::errc::certificate_expired);
    CHECK_THAT(soon.client.what, contains_text("not yet valid"));
  });
}

TEST_CASE("the application's protocol: the server's order counts") {
  on_each_backend([]() -> task<> {
    tls::context client = test_authority().client();
    tls::context server = test_authority().server();
    client.set_protocols({"http/1.1", "h2"});
    server.set_protocols({"h2", "http/1.1"});
    {
      ends both;
      co_await make_ends(both, client, server);
      const handshakes done = co_await shake_hands(both);
      CHECK(done.client.what.empty());
      CHECK(both.client.protocol() == "h2");
      CHECK(both.server.protocol() == "h2");
    }
    client.set_protocols({"spdy/1"});
    const handshakes none = co_await attempt(client, server);
    CHECK(none.client.code == tls::errc::no_common_protocol);
    CHECK(none.server.code == tls::errc::no_common_protocol);
    // One that asks for nothing is let in.
    const tls::context silent = test_authority().client();
    const handshakes done = co_await attempt(silent, server);
    CHECK(done.client.what.empty());
    CHECK_THROWS_AS(client.set_protocols({""}), std::logic_error);
    CHECK_THROWS_AS(client.set_protocols({std::string(256, 'x')}), std::logic_error);
  });
}

TEST_CASE("versions") {
  on_each_backend([]() -> task<> {
    tls::context client = test_authority().client();
    tls::context server = test_authority().server();
    ::SSL_CTX_set_max_proto_version(server.settings()->context.get(), TLS1_2_VERSION);
    {
      ends both;
      co_await make_ends(both, client, server);
      const handshakes done = co_await shake_hands(both);
      CHECK(done.client.what.empty());
      CHECK(both.client.version() == "TLSv1.2");
      CHECK(both.server.version() == "TLSv1.2");
    }
    client.set_minimum_version(tls::version::tls_1_3);
    const handshakes done = co_await attempt(client, server);
    CHECK(done.client.code == tls::errc::no_common_protocol);
    CHECK(done.server.code == tls::errc::no_common_protocol);
    // 1.1 is never spoken.
    tls::context old = test_authority().server();
    ::SSL_CTX_set_min_proto_version(old.settings()->context.get(), TLS1_VERSION);
    ::SSL_CTX_set_max_proto_version(old.settings()->context.get(), TLS1_1_VERSION);
    const tls::context current = test_authority().client();
    const handshakes refused = co_await attempt(current, old);
    CHECK(refused.client.code);
    CHECK(refused.server.code);
  });
}

TEST_CASE("certificates of clients") {
  on_each_backend([]() -> task<> {
    issue_special();
    tls::context server = test_authority().server();
    server.trust(test_authority().root());
    server.set_verification(tls::verification::required);
    tls::context client = test_authority().client();
    const handshakes without = co_await attempt(client, server);
    CHECK(without.server.code == tls::errc::untrusted_certificate);
    CHECK(without.client.code == tls::errc::refused_by_peer);
    CHECK_THAT(without.client.what, contains_text("certificate required"));

    client.use_certificate(
        test_authority().file("client.pem"), test_authority().file("client.key")
    );
    {
      ends both;
      co_await make_ends(both, client, server);
      const handshakes done = co_await shake_hands(both);
      CHECK(done.server.what.empty());
      CHECK(both.server.peer_verified());
      const auto shown = both.server.peer_certificate();
      REQUIRE(shown);
      CHECK(shown->subject == "CN=a client");
      CHECK(shown->hosts.empty());
    }
    server.set_verification(tls::verification::optional);
    const tls::context anonymous = test_authority().client();
    const handshakes let_in = co_await attempt(anonymous, server);
    CHECK(let_in.server.what.empty());
    tls::context stranger = test_authority().client();
    const authority other;
    stranger.use_certificate(other.file("good.pem"), other.file("good.key"));
    const handshakes wrong = co_await attempt(stranger, server);
    CHECK(wrong.server.code == tls::errc::untrusted_certificate);
    CHECK_THROWS_AS(client.set_verification(tls::verification::optional), std::logic_error);
  });
}

TEST_CASE("a peer that speaks plain text") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    {
      io_test::connection pair;
      co_await io_test::connect_pair(pair);
      tls::stream<tcp> stream(std::move(pair.client), client, "localhost");
      co_await pair.server.write_all("220 mail.example.org ESMTP\r\n");
      std::error_code error;
      co_await stream.handshake(error);
      CHECK(error == tls::errc::not_tls);
      // And so it stays.
      std::array<char, 10> bytes{};
      const std::size_t count = co_await stream.read_some(bytes, error);
      CHECK(count == 0);
      CHECK(error == tls::errc::not_tls);
    }
    {
      io_test::connection pair;
      co_await io_test::connect_pair(pair);
      tls::stream<tcp> stream(std::move(pair.server), server);
      co_await pair.client.write_all("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
      auto handshake = [&]() -> task<> { co_await stream.handshake(); };
      const outcome failed = co_await outcome_of(handshake);
      CHECK(failed.code == tls::errc::not_tls);
      CHECK_THAT(failed.what, contains_text("http request"));
    }
  });
}

TEST_CASE("a peer that goes in the middle of the handshake") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    io_test::connection pair;
    co_await io_test::connect_pair(pair);
    tls::stream<tcp> stream(std::move(pair.client), client, "localhost");
    pair.server.shutdown_send();
    auto handshake = [&]() -> task<> { co_await stream.handshake(); };
    const outcome failed = co_await outcome_of(handshake);
    CHECK(failed.code == tls::errc::truncated);
    CHECK(failed.what == "tls handshake \"localhost\": unexpected eof while reading");
  });
}

TEST_CASE("a stream that cannot be made") {
  on_each_backend([]() -> task<> {
    const tls::context client = test_authority().client();
    const tls::context server = test_authority().server();
    CHECK_THROWS_AS(tls::stream<tcp>(tcp(), server, "localhost"), std::logic_error);
    CHECK_THROWS_AS(tls::stream<tcp>(tcp(), client), std::logic_error);
    CHECK_THROWS_AS(tls::stream<tcp>(tcp(), client, ""), std::logic_error);
    CHECK_THROWS_AS(
        tls::stream<tcp>(tcp(), client, std::string("local\0host", 10)), std::logic_error
    );
    // Over a closed one it fails when it is used.
    tls::stream<tcp> over_nothing(tcp(), client, "localhost");
    std::error_code error;
    co_await over_nothing.handshake(error);
    CHECK(error == std::errc::bad_file_descriptor);
  });
}

TEST_CASE("files of a context that are not what they should be") {
  issue_special();
  authority& made = test_authority();
  const auto failure = [](auto f) {
    try {
      f();
    } catch (const tls::tls_error& error) {
      return std::string(error.what());
    }
    return std::string("no error");
  };
  const std::string none = made.file("none.pem");
  CHECK_THAT(
      failure([&] { (void)tls::context::client(none); }),
      starts_with_text("tls trust \"" + none + "\"")
  );
  CHECK_THAT(
      failure([&] { (void)tls::context::client(none); }), contains_text("No such file or directory")
  );
  CHECK_THAT(
      failure([&] { (void)tls::context::server(none, made.file("good.key")); }),
      contains_text("No such file or directory")
  );
  io_test::put(made.file("noise.pem"), "this is no certificate\n");
  CHECK_THAT(
      failure([&] { (void)tls::context::server(made.file("noise.pem"), made.file("good.key")); }),
      contains_text("no start line")
  );
  CHECK_THAT(
      failure([&] { (void)tls::context::client(made.file("noise.pem")); }),
      starts_with_text("tls trust \"")
  );
  // The key of another certificate.
  CHECK_THAT(
      failure([&] { (void)tls::context::server(made.file("good.pem"), made.file("client.key")); }),
      contains_text("key values mismatch")
  );
  // Nobody is asked for a passphrase.
  const identity locked({}, nullptr);
  locked.write(made.file("locked.pem"), made.file("unlocked.key"));
  locked.write_locked_key(made.file("locked.key"));
  CHECK_THAT(
      failure([&] { (void)tls::context::server(made.file("locked.pem"), made.file("locked.key")); }
      ),
      starts_with_text("tls use key \"" + made.file("locked.key") + "\"")
  );
}

TEST_CASE("codes have messages and conditions") {
  const std::error_code unknown(0x7fff, tls::openssl_category());
  CHECK_FALSE(unknown.message().empty());
  CHECK(unknown != tls::errc::truncated);
  CHECK(std::string(tls::openssl_category().name()) == "openssl");
  for (int kind = 1; kind <= 7; ++kind) {
    const std::error_condition condition = make_error_condition(static_cast<tls::errc>(kind));
    CHECK(condition.category() == tls::category());
    CHECK(condition.message() != "unknown error");
  }
  const tls::tls_error error(unknown, "read", "example.org", "more");
  CHECK(std::string(error.operation()) == "read");
  CHECK(error.subject() == "example.org");
  CHECK_THAT(error.what(), starts_with_text("tls read \"example.org\" (more): "));
}
