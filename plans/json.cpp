// Boost.JSON is compiled into weir here, once, so that no package of it is needed.
#include <boost/json/src.hpp>
