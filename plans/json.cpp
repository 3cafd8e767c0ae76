// Boost.JSON without its library: the sources are compiled here, once.
#include <boost/json/src.hpp>
