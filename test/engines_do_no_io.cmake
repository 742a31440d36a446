# Fails if an engine can reach a socket: no src/*/engine.cpp may include Asio, OpenSSL or sys/socket.h, however indirectly.
#
#   cmake -D compiler=g++ -D root=. -D boost_include=/usr/include -P test/engines_do_no_io.cmake
cmake_minimum_required(VERSION 3.25)

file(GLOB engines ${root}/src/*/engine.cpp)
if(NOT engines)
  message(FATAL_ERROR "no src/*/engine.cpp under ${root}")
endif()

set(flags -std=c++20 -I${root}/include -I${root}/src)
foreach(dir IN LISTS boost_include)
  list(APPEND flags -I${dir})
endforeach()

foreach(engine IN LISTS engines)
  execute_process(COMMAND ${compiler} ${flags} -M ${engine} OUTPUT_VARIABLE headers COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[^ \n]*/(boost/asio[./]|openssl/|sys/socket\\.h)[^ \n]*" effects "${headers}")
  if(effects)
    list(GET effects 0 first)
    message(FATAL_ERROR "${engine} includes ${first}: an engine decides, the operation beside it acts")
  endif()
  message(STATUS "${engine}: no I/O")
endforeach()
