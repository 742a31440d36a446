// Asio's own functions, compiled once for all tests instead of in each of their files.
#include <boost/asio/impl/src.hpp>
