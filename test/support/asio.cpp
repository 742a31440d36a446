// Asio's own functions, compiled once for all tests instead of in each of their files.
#include <boost/asio/impl/src.hpp>
#ifdef DIAL_HAS_TLS
#include <boost/asio/ssl/impl/src.hpp>
#endif
