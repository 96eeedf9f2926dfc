// Prints the options of a JAAS configuration as Kafka reads it from a property, or as the JVM reads it from a file: base64 of
// name, a blank, base64 of value, a line for each. Runs as source: java -cp '<release>/libs/*' Jaas.java property|file FILE.

import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Map;
import javax.security.auth.login.AppConfigurationEntry;
import org.apache.kafka.common.config.types.Password;
import org.apache.kafka.common.security.JaasContext;

public class Jaas {

    public static void main(String[] words) throws Exception {
        Path file = Path.of(words[1]);
        AppConfigurationEntry entry;
        if (words[0].equals("file")) {
            entry = new com.sun.security.auth.login.ConfigFile(file.toUri()).getAppConfigurationEntry("Server")[0];
        } else {
            Password text = new Password(Files.readString(file));
            entry = JaasContext.loadClientContext(Map.of("sasl.jaas.config", text)).configurationEntries().get(0);
        }
        if (entry.getControlFlag() != AppConfigurationEntry.LoginModuleControlFlag.REQUIRED) {
            throw new IllegalStateException(entry.getControlFlag().toString());
        }
        for (Map.Entry<String, ?> option : entry.getOptions().entrySet()) {
            System.out.println(encoded(option.getKey()) + " " + encoded((String) option.getValue()));
        }
    }

    private static String encoded(String text) {
        return Base64.getEncoder().encodeToString(text.getBytes(StandardCharsets.UTF_8));
    }
}
