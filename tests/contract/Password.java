// Prints a password as Kafka's own ConfigDef reads it from properties files, in base64 of UTF-8: one line for each file.
// Runs as source: java -cp '<release>/libs/*' Password.java NAME FILE...

import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Properties;
import org.apache.kafka.common.config.ConfigDef;

public class Password {

    public static void main(String[] words) throws Exception {
        for (int at = 1; at < words.length; at++) {
            Properties properties = new Properties();
            // As org.apache.kafka.common.utils.Utils.loadProps: of bytes, which are Latin-1 to it.
            try (InputStream file = Files.newInputStream(Path.of(words[at]))) {
                properties.load(file);
            }
            Object found = ConfigDef.parseType(words[0], properties.getProperty(words[0]), ConfigDef.Type.PASSWORD);
            String value = ((org.apache.kafka.common.config.types.Password) found).value();
            System.out.println(Base64.getEncoder().encodeToString(value.getBytes(StandardCharsets.UTF_8)));
        }
    }
}
